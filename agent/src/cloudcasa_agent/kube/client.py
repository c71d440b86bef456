"""One thin client of the Kubernetes API over raw dicts.

Raw dicts, since Velero's kinds have no typed models, and since unknown fields must survive. Requests are retried where that is safe;
`follow` is list + watch with a relist, so a consumer sees each object's newest state whatever the connection does.
Source: kubernetes 36, `kubernetes.aio` (ApiClient.call_api with `_preload_content=False` hands out the aiohttp response).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from cloudcasa_agent.kit.logging import get_logger

from .errors import GoneError, KubeError, KubeUnavailableError, NotFoundError, error_for
from .resources import Resource

JsonObject = dict[str, Any]

FIELD_MANAGER = "cloudcasa-agent"
_PAGE = 500
_ATTEMPTS = 4
_RETRYABLE = frozenset({429, 503})
_WATCH_SECONDS = 45
_RELIST_SECONDS = 0.05
_POD_LOG = "/api/v1/namespaces/{namespace}/pods/{name}/log"
_LOG_BYTES = 32 * 1024 * 1024
_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_JSON}"
_DISCOVERY = ",".join(f"{_JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")) + f",{_JSON}"
_log = get_logger("kube")


class EventKind(StrEnum):
    """What `follow` tells."""

    CHANGED = "CHANGED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"
    """A list was taken: everything that exists has been told."""


@dataclass(frozen=True)
class Event:
    """One change of one object; the object is empty for SYNCED."""

    kind: EventKind
    object: JsonObject


@dataclass(frozen=True)
class Listing:
    """A whole list, and the version to watch from."""

    items: tuple[JsonObject, ...]
    resource_version: str


class KubeClient:
    """The API of one cluster."""

    def __init__(self, api: kubernetes_client.ApiClient, /) -> None:
        """Use a configured client; `connect` makes one."""
        self._api = api

    @classmethod
    async def connect(cls, *, kubeconfig: Path | None = None) -> Self:
        """Connect with a kubeconfig, or with the pod's service account when None is given."""
        configuration = kubernetes_client.Configuration()
        try:
            if kubeconfig is not None:
                await kubernetes_config.load_kube_config(
                    config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
                )
            else:
                kubernetes_config.load_incluster_config(client_configuration=configuration)
        except (kubernetes_config.ConfigException, OSError) as error:
            text = f"Cannot reach the Kubernetes API: {error}"
            raise KubeError(text) from error
        configuration.connection_pool_maxsize = 64
        return cls(kubernetes_client.ApiClient(configuration))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, resource: Resource, /, *, name: str, namespace: str = "") -> JsonObject:
        """Return one object. Raises NotFoundError."""
        return await self.request("GET", resource.path(namespace=namespace, name=name))

    async def find(self, resource: Resource, /, *, name: str, namespace: str = "") -> JsonObject | None:
        """Return one object, or None when it or its kind does not exist."""
        try:
            return await self.get(resource, name=name, namespace=namespace)
        except NotFoundError:
            return None

    async def list(
        self, resource: Resource, /, *, namespace: str = "", label_selector: str = "", name: str = "", is_metadata_enough: bool = False
    ) -> Listing:
        """Return all objects, read page by page. Raises NotFoundError when the kind is not served.

        With `is_metadata_enough` only their metadata, for kinds whose objects are large.
        """
        items: list[JsonObject] = []
        query = _selectors(label_selector=label_selector, name=name) | {"limit": str(_PAGE)}
        accept = _METADATA if is_metadata_enough else _JSON
        while True:
            page = await self.request("GET", resource.path(namespace=namespace), query=query, accept=accept)
            items.extend(page.get("items") or [])
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(items=tuple(items), resource_version=metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    async def list_or_empty(self, resource: Resource, /, *, namespace: str = "", label_selector: str = "") -> tuple[JsonObject, ...]:
        """Return all objects, none when the kind is not served."""
        try:
            return (await self.list(resource, namespace=namespace, label_selector=label_selector)).items
        except NotFoundError:
            return ()

    async def create(self, resource: Resource, body: JsonObject, /) -> JsonObject:
        """Create an object. Raises AlreadyExistsError."""
        namespace = body["metadata"].get("namespace", "")
        return await self.request("POST", resource.path(namespace=namespace), body=body, query={"fieldManager": FIELD_MANAGER})

    async def apply(self, resource: Resource, body: JsonObject, /, *, is_dry_run: bool = False) -> JsonObject:
        """Apply an object server-side as the owner of its fields; unchanged content changes nothing, a dry run never does."""
        metadata = body["metadata"]
        path = resource.path(namespace=metadata.get("namespace", ""), name=metadata["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if is_dry_run else {})
        return await self.request("PATCH", path, body=body, query=query, content_type="application/apply-patch+yaml")

    async def patch(self, resource: Resource, body: JsonObject, /, *, name: str, namespace: str = "") -> JsonObject:
        """Merge-patch an object."""
        path = resource.path(namespace=namespace, name=name)
        return await self.request(
            "PATCH", path, body=body, query={"fieldManager": FIELD_MANAGER}, content_type="application/merge-patch+json"
        )

    async def delete(self, resource: Resource, /, *, name: str, namespace: str = "", propagation: str = "Background") -> None:
        """Delete an object; that it is gone already is fine."""
        try:
            await self.request("DELETE", resource.path(namespace=namespace, name=name), query={"propagationPolicy": propagation})
        except NotFoundError:
            return

    async def delete_exactly(self, resource: Resource, item: JsonObject, /, *, only_unchanged: bool = False) -> None:
        """Delete this very object, not one of its name; that it is gone is fine. Raises ConflictError when it is another, or has changed."""
        metadata = item["metadata"]
        wanted = {"uid": metadata["uid"]} | ({"resourceVersion": metadata["resourceVersion"]} if only_unchanged else {})
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": wanted}
        try:
            await self.request("DELETE", resource.path(namespace=metadata.get("namespace", ""), name=metadata["name"]), body=body)
        except NotFoundError:
            return

    async def served(self) -> tuple[JsonObject, ...]:
        """Return what the API serves, as APIGroupDiscovery objects. Raises KubeError on a server without aggregated discovery (< 1.26)."""
        answers = await asyncio.gather(*(self.request("GET", path, accept=_DISCOVERY) for path in ("/api", "/apis")))
        if any(answer.get("kind") != "APIGroupDiscoveryList" for answer in answers):
            text = "Cannot read which kinds the Kubernetes API serves: it is too old to tell at once."
            raise KubeError(text)
        return tuple(item for answer in answers for item in answer.get("items") or [])

    async def version(self) -> str:
        """Return the API server's version, such as v1.36.1."""
        return str((await self.request("GET", "/version")).get("gitVersion", ""))

    async def pod_log(self, *, namespace: str, name: str, lines: int = 20, since: str = "") -> str:
        """Return the end of a pod's log, or all of it since a time; empty when it cannot be read."""
        query = {"sinceTime": since, "limitBytes": str(_LOG_BYTES)} if since else {"tailLines": str(lines)}
        try:
            path = _POD_LOG.format(namespace=namespace, name=name)
            return (await self._send("GET", path, query=query)).decode(errors="replace")
        except KubeError:
            return ""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> JsonObject:
        """Send one request and return the decoded answer; what may be repeated safely is repeated."""
        attempt = 1
        while True:
            try:
                answer: JsonObject = json.loads(
                    await self._send(method, path, query=query, body=body, content_type=content_type, accept=accept)
                )
            except KubeUnavailableError as error:
                is_safe = method == "GET" or error.status in _RETRYABLE or content_type.startswith("application/apply-patch")
                if attempt == _ATTEMPTS or not is_safe:
                    raise
                await asyncio.sleep(0.25 * 2**attempt)
                attempt += 1
            else:
                return answer

    async def watch(
        self, resource: Resource, /, *, resource_version: str, namespace: str = "", label_selector: str = "", name: str = ""
    ) -> AsyncIterator[Event]:
        """Yield changes after `resource_version` until the server ends the watch. Raises GoneError when that version is too old."""
        query = _selectors(label_selector=label_selector, name=name)
        query |= {"watch": "true", "resourceVersion": resource_version, "timeoutSeconds": str(_WATCH_SECONDS)}
        timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=_WATCH_SECONDS + 15)
        response = await self._open("GET", resource.path(namespace=namespace), query=query, timeout=timeout)
        try:
            async for line in response.content:
                yield _event(json.loads(line))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            text = f"The watch of {resource.plural} broke: {type(error).__name__}"
            raise KubeUnavailableError(text) from error
        finally:
            response.close()

    async def follow(self, resource: Resource, /, *, namespace: str = "", label_selector: str = "", name: str = "") -> AsyncIterator[Event]:
        """Yield every object and then every change, for ever; trouble with the connection is ridden out and never told."""
        known: dict[str, JsonObject] = {}
        delay = 0.2
        while True:
            try:
                listing = await self.list(resource, namespace=namespace, label_selector=label_selector, name=name)
                for event in _difference(known, listing.items):
                    yield event
                known = {item["metadata"]["uid"]: item for item in listing.items}
                yield Event(EventKind.SYNCED, {})
                delay = 0.2
                changes = self.watch(
                    resource, resource_version=listing.resource_version, namespace=namespace, label_selector=label_selector, name=name
                )
                async for event in changes:
                    _remember(known, event)
                    yield event
                await asyncio.sleep(_RELIST_SECONDS)
            except (KubeUnavailableError, GoneError) as error:
                _log.debug("Listing again after a broken watch", resource=resource.plural, reason=error.text)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 10.0)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> bytes:
        response = await self._open(
            method, path, query=query, body=body, content_type=content_type, accept=accept, timeout=aiohttp.ClientTimeout(total=30)
        )
        try:
            return bytes(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(method, path, error) from error

    async def _open(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - handed to aiohttp, which keeps it
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
            if response.status < 400:  # noqa: PLR2004
                return response
            raise await _refused(method, path, response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(method, path, error) from error


def _selectors(*, label_selector: str, name: str) -> dict[str, str]:
    query = {"labelSelector": label_selector} if label_selector else {}
    return query | ({"fieldSelector": f"metadata.name={name}"} if name else {})


def _event(raw: JsonObject, /) -> Event:
    if raw["type"] == "ERROR":
        status = raw["object"]
        raise error_for(status=int(status.get("code", 500)), reason=status.get("reason", ""), text=status.get("message", "watch failed"))
    return Event(EventKind.DELETED if raw["type"] == "DELETED" else EventKind.CHANGED, raw["object"])


def _remember(known: dict[str, JsonObject], event: Event) -> None:
    uid = event.object["metadata"]["uid"]
    if event.kind is EventKind.DELETED:
        known.pop(uid, None)
    else:
        known[uid] = event.object


def _difference(known: Mapping[str, JsonObject], items: tuple[JsonObject, ...]) -> list[Event]:
    present = {item["metadata"]["uid"]: item for item in items}
    gone = [Event(EventKind.DELETED, item) for uid, item in known.items() if uid not in present]
    changed = [
        Event(EventKind.CHANGED, item)
        for uid, item in present.items()
        if uid not in known or known[uid]["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]
    ]
    return gone + changed


def _unreachable(method: str, path: str, error: Exception) -> KubeUnavailableError:
    return KubeUnavailableError(f"Cannot {method} {path}: the Kubernetes API did not answer ({type(error).__name__}).")


async def _refused(method: str, path: str, response: aiohttp.ClientResponse) -> KubeError:
    raw = await response.read()
    try:
        status = json.loads(raw)
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", raw[:200].decode(errors="replace")
    return error_for(status=response.status, reason=reason, text=f"Cannot {method} {path}: {message or response.status}")
