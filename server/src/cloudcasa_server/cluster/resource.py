"""The declaration of `kubeclusters`, the manifest route, and what goes with a cluster when it is deleted. Source: rest-api.md 2.1, 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudcasa_contract.states import ClusterState, JobState
from pydantic import SecretStr
from starlette.responses import Response

from ..command.images import Images, replace_registry
from ..command.model import CommandState
from ..command.service import Outbox
from ..identity.belonging import NAMESPACES, cluster_of_namespaces
from ..inventory.service import Inventories
from ..job.model import Finish
from ..job.service import Jobs
from ..kit.bus import Bus
from ..kit.errors import ConflictError, InvalidError, NotFoundError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique
from ..kit.store import And, Compare, Document, Index, Not, eq
from . import shown
from .credentials import TOKEN_FORM, digest, new_credential, new_token
from .manifest import ManifestInput, build_manifest
from .metrics import metrics, parse_days
from .model import PRO, Cluster
from .service import Clusters, session_topic

COLLECTION = "kubeclusters"
LOOK_SECONDS = 8.0
"""How long a request waits for an agent; clients give up after 10."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What manifests say about this server."""

    public_url: str
    ca_pem: str | None
    images: Images
    pull_policy: str = "IfNotPresent"


class ClusterHooks(Hooks):
    """Make the manifest's address at once, and take everything along on deletion."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Give the cluster its manifest token; Rancher uses the address in the answer without waiting."""
        return registered(document, public_url=context.service(Installation).public_url)

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Keep the type of the agent: clients that do not know the field leave it out of a PUT, and it never changes."""
        del context
        kept = old.get("agent_type")
        if new.get("agent_type", kept or PRO) != (kept or PRO):
            message = f'The agent_type of the cluster "{old["name"]}" cannot be changed. Register the cluster again instead.'
            raise InvalidError(message, issues={"agent_type": message})
        return new | {"agent_type": kept} if kept else new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while recovery points are locked."""
        is_kept = Not(Compare("expiry_timestamp", "lte", context.clock.timestamp()))
        locked = And((eq("cluster", document["_id"]), eq("status.locked", True), is_kept))
        if count := await context.store.collection("backupinstances").count(locked):
            message = f'Cannot delete the cluster "{document["name"]}": {count} of its recovery points are locked until they expire.'
            raise InvalidError(message, issues={"_id": message})

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """End its jobs, drop its commands and inventory, and hang up on its agent."""
        cluster_id = document["_id"]
        await context.service(Outbox).withdraw(cluster_id)
        end = Finish(JobState.FAILED, f'The cluster "{document["name"]}" was deleted.', reason="cluster_deleted")
        await context.service(Jobs).end_all(cluster_id, end=end)
        await context.service(Inventories).forget(cluster_id)
        await context.service(BusBox).bus.publish(session_topic(cluster_id), {})

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Add `metrics` when they are asked for."""
        wanted = context.parameters.get("metrics")
        if not wanted or context.request.method != "GET":
            return document
        return document | {"metrics": await metrics(context, document["_id"], days=parse_days(wanted))}


@dataclass(frozen=True, slots=True)
class BusBox:
    """The bus, as a service by type."""

    bus: Bus


def registered(document: Document, /, *, public_url: str) -> Document:
    """Return a new cluster with the address of its manifest, and an agent that was never heard of."""
    token = new_token()
    url = f"{public_url}/kubeclusteragents/{token}.yaml"
    agent: Document = {"manifest_token": digest(token), "credentials": {}, "last_seen": None, "engine": {}}
    return document | {"status": document["status"] | {"agentURL": url}, "agent": agent}


async def show_manifest(context: RequestContext, /) -> Response:
    """Answer the manifest of the token in the path. The token is the secret, so there is no other access check."""
    token = str(context.path_params["token"])
    found = []
    if TOKEN_FORM.fullmatch(token):
        found = await context.store.collection(COLLECTION).find(eq("agent.manifest_token", digest(token)), limit=1)
    if not found:
        message = "There is no manifest at this address. Copy the address from the cluster's status.agentURL; it ends with its cluster."
        raise NotFoundError(message)
    cluster = found[0]
    installation = context.service(Installation)
    text = build_manifest(
        ManifestInput(
            cluster_id=cluster["_id"],
            server_url=installation.public_url,
            credential=SecretStr(await _bootstrap_credential(context, cluster)),
            ca_pem=installation.ca_pem,
            agent_image=replace_registry(installation.images.agent, cluster.get("container_registry")),
            image_pull_secret_name=cluster.get("image_pull_secret_name") or None,
            pull_policy=installation.pull_policy,
        )
    )
    return Response(text, media_type="application/x-yaml", headers={"Cache-Control": "no-store"})


async def look_over(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Let the agent look its cluster over; answer the cluster with what was found, or as it is when that takes longer."""
    del body
    clusters = context.service(Clusters)
    command_id = await clusters.look_over(document["_id"])
    if command_id is None:
        message = f'The agent of the cluster "{document["name"]}" has not called yet, or is too old to look it over. Apply its manifest.'
        raise ConflictError(message)
    command = await context.service(Outbox).wait_done(command_id, timeout_seconds=LOOK_SECONDS)
    if command is not None and CommandState(command["state"]).is_final:
        await clusters.preflight_answered(command)  # the gateway does so too, a moment after it closed the command
    return await context.documents(COLLECTION).get(document["_id"])


async def _bootstrap_credential(context: RequestContext, cluster: Document) -> str:
    """Return the manifest's credential: the one that was not used yet, else a fresh one, so that applying again always works."""
    agent = cluster["agent"]
    sealed = agent["credentials"].get("otp_sealed")
    if sealed:
        return str(context.vault.open(sealed, aad=_aad(cluster)))
    fresh = new_credential(cluster["_id"])
    fields = {"agent.credentials.otp": digest(fresh), "agent.credentials.otp_sealed": context.vault.seal(fresh, aad=_aad(cluster))}
    unchanged = eq("agent.credentials", agent["credentials"])
    stored = await context.documents(COLLECTION).set(cluster["_id"], fields, expected=unchanged)
    return fresh if stored else await _bootstrap_credential(context, await context.documents(COLLECTION).get(cluster["_id"]))


def _aad(cluster: Document) -> str:
    return f"{COLLECTION}/{cluster['_id']}/otp"


CLUSTERS = Resource(
    name=COLLECTION,
    title="Kubecluster",
    noun="cluster",
    model=Cluster,
    initial=lambda: {
        "status": {
            "state": ClusterState.REGISTERED.value,
            "message": "",
            "kubeAgentManagerVersion": "0.0",
            "dormant": False,
            "num_recovery_points": 0,
        }
    },
    additions=frozenset({"allow_foreign_velero"}),
    hidden=frozenset({"agent"}),
    guarded={"status.agentURL": f"{COLLECTION}.update"},
    references={"backup_provider.user_objectstore": "objectstores"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another cluster.'),),
    indexes=(
        Index("manifest_token", (("agent.manifest_token", 1),)),
        Index("state", (("status.state", 1), ("agent.last_seen", 1))),
        Index("alert", (("status.state", 1), ("agent.alert_at", 1))),
        Index("objectstore", (("backup_provider.user_objectstore", 1),)),
    ),
    readable_from={NAMESPACES: cluster_of_namespaces("_id")},
    hooks=ClusterHooks(),
    docs=Docs(shown=shown.ClusterShown, example=shown.EXAMPLE, parameters=shown.PARAMETERS),
)
