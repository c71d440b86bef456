"""Installs the agent's own Velero and brings it up to date, idempotently: what is unchanged is not restarted.

Order matters: rights before the CRD job (it runs under them), the repository password before the server (it would make its own),
definitions before the server (it exits without them). Answers only when Velero itself answered a ServerStatusRequest.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

from cloudcasa_contract.commands import EngineEnsure, EngineImages, EngineOutput, Finding, Problem, Severity

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kit.timeout import Timeout
from cloudcasa_agent.kube import AlreadyExistsError, EventKind, JsonObject, KubeClient
from cloudcasa_agent.kube.resources import BY_KIND, CUSTOM_RESOURCE_DEFINITIONS, DAEMON_SETS, DEPLOYMENTS, JOBS, SECRETS

from . import manifests
from .errors import EngineInstallError, ForeignVeleroError, RepositoryPasswordError
from .foreign import Foreign, find_others, judge_others
from .idle import wait_idle
from .preflight import look_at_volumes
from .resources import CRD_NAMES, STATUS_REQUESTS
from .troubles import pods_trouble

_INSTALL_SECONDS = 300.0
_SETTLE_SECONDS = 20.0
_CRD_IMAGE = "cloudcasa.io/velero-image"
OWN_DEFINITION = "cloudcasa.io/made-by-agent"
"""The annotation of a definition that was not there before us."""
_log = get_logger("velero")


@dataclass(frozen=True)
class Ensured:
    """What came of it, and the namespaces that another Velero has."""

    output: EngineOutput
    foreign_namespaces: frozenset[str]


async def ensure_engine(client: KubeClient, command: EngineEnsure, *, namespace: str, start_lock: asyncio.Lock) -> Ensured:
    """Check the cluster and install or update the engine, which waits for running backups. Raises the errors of `errors.py`.

    An update that fails is taken back: what ran before runs again, and the output says why.
    """
    foreign, beside = await _check_others(client, command, namespace=namespace)
    await client.apply(BY_KIND["Namespace"], manifests.namespace_labels(namespace=namespace))
    await _ensure_password(client, command, namespace=namespace)
    for item in manifests.rights(namespace=namespace):
        await client.apply(BY_KIND[item["kind"]], item)
    before = images_of(await client.find(DEPLOYMENTS, name=manifests.SERVER, namespace=namespace))
    problem = None
    try:
        if not foreign.namespaces:
            await _ensure_definitions(client, command.images, namespace=namespace, budget=Timeout(_INSTALL_SECONDS))
        version, plugins = await _roll_out(client, command.images, namespace=namespace, start_lock=start_lock)
    except EngineInstallError as error:
        if before is None or before == command.images:
            raise
        _log.warning("The update of the engine failed, going back", reason=error.text, image=before.velero)
        version, plugins = await _roll_out(client, before, namespace=namespace, start_lock=start_lock)
        problem = taken_back(error, wanted=command.images, before=before)
    _log.info("Engine is ready", velero_version=version)
    findings = (*beside, *await look_at_volumes(client))
    return Ensured(EngineOutput(velero_version=version, plugins=plugins, findings=findings, update_problem=problem), foreign.namespaces)


async def _check_others(client: KubeClient, command: EngineEnsure, *, namespace: str) -> tuple[Foreign, tuple[Finding, ...]]:
    """Return what another Velero has here, and what is to be told of it. Raises ForeignVeleroError when ours must not be beside it."""
    foreign = await find_others(client, namespace=namespace)
    finding = judge_others(foreign, is_allowed=command.allow_foreign_velero, image=command.images.velero)
    if finding is not None and finding.severity == Severity.BLOCKS.value:
        raise ForeignVeleroError(finding.text, slug=finding.slug, remedy=finding.remedy)
    return foreign, (finding,) if finding else ()


async def _roll_out(client: KubeClient, images: EngineImages, *, namespace: str, start_lock: asyncio.Lock) -> tuple[str, tuple[str, ...]]:
    """Apply the workloads and return Velero's version and plugins when it answers. Raises EngineInstallError."""
    await client.apply(BY_KIND["ConfigMap"], manifests.node_agent_config(namespace=namespace))
    async with start_lock:
        await _apply_workloads(client, images, namespace=namespace)
    budget = Timeout(_INSTALL_SECONDS)
    await _wait_rollout(client, namespace=namespace, budget=budget)
    return await _ask_status(client, namespace=namespace, budget=budget)


def images_of(server: JsonObject | None, /) -> EngineImages | None:
    """Return the images that a Velero Deployment of ours runs, None when there is none."""
    pod = ((server or {}).get("spec") or {}).get("template", {}).get("spec", {})
    containers, plugins = pod.get("containers") or [], pod.get("initContainers") or []
    if not containers or not plugins:
        return None
    secrets = pod.get("imagePullSecrets") or []
    return EngineImages(
        velero=containers[0]["image"],
        plugin_aws=plugins[0]["image"],
        pull_secret_name=secrets[0]["name"] if secrets else None,
    )


def taken_back(error: EngineInstallError, *, wanted: EngineImages, before: EngineImages) -> Problem:
    """Return why the update of the engine was taken back."""
    text = f"Velero could not be updated to {wanted.velero}; {before.velero} runs again. {error.text}"
    return Problem(slug="engine-update-failed", text=text, remedy=error.remedy)


async def _apply_workloads(client: KubeClient, images: EngineImages, *, namespace: str) -> None:
    """Apply Velero's server and node-agent; when that would start the server anew, not before every run can take it."""
    server = manifests.server(images, namespace=namespace)
    have = await client.find(DEPLOYMENTS, name=manifests.SERVER, namespace=namespace)
    if have is not None:
        want = await client.apply(DEPLOYMENTS, server, is_dry_run=True)
        if want["metadata"].get("generation") != have["metadata"].get("generation"):
            await wait_idle(client, namespace=namespace)
    for item in (server, manifests.node_agent(images, namespace=namespace)):
        await client.apply(BY_KIND[item["kind"]], item)


async def engine_problem(client: KubeClient, *, namespace: str, is_installed: bool) -> Problem | None:
    """Return why the engine does not work now, or None when it works, or is not there and nobody has seen it work (`is_installed`)."""
    deployment = await client.find(DEPLOYMENTS, name=manifests.SERVER, namespace=namespace)
    if deployment is None and is_installed:
        text = f'Velero was removed from namespace "{namespace}".'
        return Problem(slug="engine-not-ready", text=text, remedy="Restart the agent: it installs Velero again as it starts.")
    if deployment is None or is_rolled_out(deployment):
        return None
    reason = await pods_trouble(client, namespace=namespace, selector="deploy=velero")
    text = f'Velero in namespace "{namespace}" is not ready{f": {reason}" if reason else "."}'
    return Problem(slug="engine-not-ready", text=text, remedy=EngineInstallError.remedy)


async def _ensure_password(client: KubeClient, command: EngineEnsure, *, namespace: str) -> None:
    secret = manifests.repository_secret(command, namespace=namespace)
    try:
        await client.create(SECRETS, secret)
    except AlreadyExistsError:
        have = await client.get(SECRETS, name=manifests.REPOSITORY_SECRET, namespace=namespace)
        if (have.get("data") or {}).get(manifests.REPOSITORY_KEY) != secret["data"][manifests.REPOSITORY_KEY]:
            text = f'Cannot bring up the engine: Secret "{manifests.REPOSITORY_SECRET}" in "{namespace}" holds another repository password.'
            raise RepositoryPasswordError(text) from None


async def _ensure_definitions(client: KubeClient, images: EngineImages, *, namespace: str, budget: Timeout) -> None:
    found = await asyncio.gather(*(client.find(CUSTOM_RESOURCE_DEFINITIONS, name=name) for name in CRD_NAMES))
    if all(item is not None and _made_by(item) == images.velero for item in found):
        return
    name = manifests.crd_job_name(images)
    await client.delete(JOBS, name=name, namespace=namespace, propagation="Foreground")
    await _create_job(client, manifests.crd_job(images, namespace=namespace), budget=budget)
    await _wait_job(client, name=name, namespace=namespace, budget=budget)
    made = [name for name, item in zip(CRD_NAMES, found, strict=True) if item is None]
    await asyncio.gather(*(_mark(client, name, image=images.velero, is_ours=name in made) for name in CRD_NAMES))
    _log.info("Velero definitions applied", image=images.velero)


async def _mark(client: KubeClient, name: str, *, image: str, is_ours: bool) -> None:
    """Note on a definition what it was applied from, and that nobody else made it: such a one goes with us."""
    mark: JsonObject = {"metadata": {"annotations": {_CRD_IMAGE: image} | ({OWN_DEFINITION: "true"} if is_ours else {})}}
    await client.patch(CUSTOM_RESOURCE_DEFINITIONS, mark, name=name)


async def _create_job(client: KubeClient, job: JsonObject, *, budget: Timeout) -> None:
    """Create the Job; one of the same name may still be on its way out."""
    while True:
        try:
            await client.create(JOBS, job)
        except AlreadyExistsError:
            if budget.is_over:
                raise
            await asyncio.sleep(0.3)
        else:
            return


async def _wait_job(client: KubeClient, *, name: str, namespace: str, budget: Timeout) -> None:
    selector = f"job-name={name}"
    settle = Timeout(_SETTLE_SECONDS)
    while not budget.is_over:
        status = (await client.get(JOBS, name=name, namespace=namespace)).get("status") or {}
        if status.get("succeeded"):
            return
        trouble = await pods_trouble(client, namespace=namespace, selector=selector)
        if any(item["type"] == "Failed" and item["status"] == "True" for item in status.get("conditions") or []):
            raise EngineInstallError(f"Cannot apply Velero's definitions: {trouble or 'the job failed'}")
        if trouble and settle.is_over:
            raise EngineInstallError(f"Cannot apply Velero's definitions: {trouble}")
        await asyncio.sleep(0.3)
    raise EngineInstallError("Cannot apply Velero's definitions: the job did not end in time.")


async def _wait_rollout(client: KubeClient, *, namespace: str, budget: Timeout) -> None:
    settle = Timeout(_SETTLE_SECONDS)
    trouble = ""
    while not budget.is_over:
        deployment, agents = await asyncio.gather(
            client.get(DEPLOYMENTS, name=manifests.SERVER, namespace=namespace),
            client.get(DAEMON_SETS, name=manifests.NODE_AGENT, namespace=namespace),
        )
        if is_rolled_out(deployment) and _is_spread(agents):
            return
        selector = "name=node-agent" if is_rolled_out(deployment) else "deploy=velero"
        trouble = await pods_trouble(client, namespace=namespace, selector=selector)
        if trouble and settle.is_over:
            break
        await asyncio.sleep(0.3)
    raise EngineInstallError(f'Velero did not become ready in namespace "{namespace}": {trouble or "its pods did not start in time"}')


async def _ask_status(client: KubeClient, *, namespace: str, budget: Timeout) -> tuple[str, tuple[str, ...]]:
    name = f"cloudcasa-{uuid.uuid4().hex[:10]}"
    request: JsonObject = {
        "apiVersion": STATUS_REQUESTS.api_version,
        "kind": STATUS_REQUESTS.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
    }
    await client.create(STATUS_REQUESTS, request)
    try:
        async with asyncio.timeout(min(60.0, budget.left())):
            async for event in client.follow(STATUS_REQUESTS, namespace=namespace, name=name):
                status = event.object.get("status") or {}
                if event.kind is EventKind.CHANGED and status.get("phase") == "Processed":
                    plugins = {f"{plugin['name']} ({plugin['kind']})" for plugin in status.get("plugins") or []}
                    return str(status.get("serverVersion", "")), tuple(sorted(plugins))
    except TimeoutError:
        pass
    raise EngineInstallError(f'Velero in namespace "{namespace}" runs but does not answer.')


def is_rolled_out(deployment: JsonObject, /) -> bool:
    """Tell whether every replica is the newest and available."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    is_seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(is_seen and status.get("updatedReplicas", 0) >= wanted > 0 and status.get("availableReplicas", 0) >= wanted)


def _is_spread(agents: JsonObject) -> bool:
    status = agents.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    is_seen = status.get("observedGeneration", 0) >= agents["metadata"].get("generation", 0)
    return bool(is_seen and status.get("updatedNumberScheduled", 0) >= wanted and status.get("numberAvailable", 0) >= wanted)


def _made_by(definition: JsonObject) -> str:
    return str((definition["metadata"].get("annotations") or {}).get(_CRD_IMAGE, ""))
