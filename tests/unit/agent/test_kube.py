"""The Kubernetes client against a small API server over loopback: pages, retries, errors, and a follow that survives broken watches."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from cloudcasa_agent.kube import AlreadyExistsError, EventKind, KubeClient, KubeError, NotFoundError
from cloudcasa_agent.kube.errors import ForbiddenError
from cloudcasa_agent.kube.resources import DEPLOYMENTS, NAMESPACES, SECRETS
from kubernetes.aio import client as kubernetes_client


class Api:
    """Answers from a script: a list of (status, body) for each method and path, the last one again and again."""

    def __init__(self):
        self.script = {}
        self.requests = []

    async def handle(self, request):
        is_watch = request.query.get("watch") == "true"
        body = await request.text()
        self.requests.append((request.method, request.path, dict(request.query), body))
        answers = self.script["WATCH" if is_watch else request.method, request.path]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        text = "".join(json.dumps(line) + "\n" for line in body) if is_watch else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")


def a_namespace(name, *, version="1"):
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": version}}


def a_list(*items, token=""):
    return {"metadata": {"resourceVersion": "10", "continue": token}, "items": list(items)}


@pytest.fixture
async def api():
    return Api()


@pytest.fixture
async def client(api):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    client = KubeClient(kubernetes_client.ApiClient(kubernetes_client.Configuration(host=f"http://127.0.0.1:{port}")))
    yield client
    await client.aclose()
    await runner.cleanup()


async def test_list_reads_all_pages(api, client):
    api.script["GET", "/api/v1/namespaces"] = [(200, a_list(a_namespace("a"), token="more")), (200, a_list(a_namespace("b")))]
    listing = await client.list(NAMESPACES)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert [query.get("continue") for _, _, query, _ in api.requests] == [None, "more"]


async def test_read_is_tried_again_while_the_server_is_away(api, client):
    api.script["GET", "/api/v1/namespaces/a"] = [(503, {}), (200, a_namespace("a"))]
    assert (await client.get(NAMESPACES, name="a"))["metadata"]["name"] == "a"


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (404, "NotFound", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (403, "Forbidden", ForbiddenError),
        (422, "Invalid", KubeError),
    ],
    ids=["missing", "exists", "forbidden", "invalid"],
)
async def test_refusals_are_our_own_errors_with_the_servers_sentence(api, client, status, reason, error):
    api.script["POST", "/api/v1/namespaces/x/secrets"] = [(status, {"reason": reason, "message": "no such luck"})]
    secret = {"metadata": {"name": "s", "namespace": "x"}, "data": {"k": "PLACEHOLDER"}}
    with pytest.raises(error, match="no such luck") as caught:
        await client.create(SECRETS, secret)
    assert caught.value.status == status
    assert "PLACEHOLDER" not in str(caught.value)
    assert len(api.requests) == 1


async def test_apply_is_server_side_and_owns_its_fields(api, client):
    path = "/apis/apps/v1/namespaces/x/deployments/d"
    api.script["PATCH", path] = [(200, {})]
    await client.apply(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "x"}})
    assert api.requests[0][2] == {"fieldManager": "cloudcasa-agent", "force": "true"}


async def test_object_that_is_gone_is_deleted(api, client):
    api.script["DELETE", "/api/v1/namespaces/a"] = [(404, {})]
    await client.delete(NAMESPACES, name="a")


async def test_follow_tells_each_change_once_whatever_the_watch_does(api, client):
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    api.script["GET", "/api/v1/namespaces"] = [
        (200, a_list(a_namespace("a"), a_namespace("b"))),
        (200, a_list(a_namespace("b", version="3"))),
    ]
    api.script["WATCH", "/api/v1/namespaces"] = [(200, [{"type": "MODIFIED", "object": a_namespace("b", version="2")}, gone]), (200, [])]
    told = []
    async with asyncio.timeout(5):
        async for event in client.follow(NAMESPACES):
            metadata = event.object.get("metadata", {})
            told.append((event.kind, metadata.get("name"), metadata.get("resourceVersion")))
            if len(told) == 7:
                break
    assert told == [
        (EventKind.CHANGED, "a", "1"),
        (EventKind.CHANGED, "b", "1"),
        (EventKind.SYNCED, None, None),
        (EventKind.CHANGED, "b", "2"),
        (EventKind.DELETED, "a", "1"),
        (EventKind.CHANGED, "b", "3"),
        (EventKind.SYNCED, None, None),
    ]
