"""c3tl, a small Go program: filters pasted into URLs as they are, and a base that ends in a slash (rest-api.md 6)."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.support.clients import C3tl
from tests.support.go import C3TL_BACKUP, page
from tests.support.server import a_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    async with a_server(tmp_path_factory.mktemp("server")) as running:
        yield running


async def test_backups_are_made_and_found_by_raw_filters(server):
    c3tl = C3tl(server)
    cluster = await server.a_cluster()
    body = {
        "trigger_type": "SCHEDULED",
        "cluster": cluster["_id"],
        "name": "by-c3tl",
        "source": {"namespaces": ["web"], "label_selector": {"app": "shop,cart"}},
    }
    made = await c3tl.call("POST", "kubebackups", C3TL_BACKUP, body=body, status=201)
    assert (made["source"]["namespaces"], made["source"]["label_selector"]) == (["web"], {"app": "shop,cart"})
    assert made["cc_user_email"]
    for where in (f'{{"cluster":"{cluster["_id"]}"}}', f'{{"_id":"{made["_id"]}"}}'):
        found = await c3tl.call("GET", "kubebackups", page(C3TL_BACKUP), query=f"where={where}")
        assert [item["_id"] for item in found["_items"]] == [made["_id"]]
    assert c3tl.asked == ["POST /api/v1//kubebackups", "GET /api/v1//kubebackups", "GET /api/v1//kubebackups"]
    nothing = await c3tl.call("GET", "kubebackups", page(C3TL_BACKUP), query=f'where={{"cluster":"{"f" * 24}"}}')
    assert nothing["_items"] == []


async def test_run_decodes_into_its_types(server):
    c3tl = C3tl(server)
    cluster = await server.a_cluster("other")
    body = {"trigger_type": "ADHOC", "cluster": cluster["_id"], "name": "skipped", "source": {"namespaces": ["web"]}}
    made = await c3tl.call("POST", "kubebackups", C3TL_BACKUP, body=body, status=201)
    await server.act(f"kubebackups/{made['_id']}/action/run")
    job = await server.job(backupdef=made["_id"])
    (shown,) = (await c3tl.call("GET", "kubebackups", page(C3TL_BACKUP), query=f'where={{"_id":"{made["_id"]}"}}'))["_items"]
    assert shown["status"]["jobs"] == [{"jobid": job["_id"], "state": "SKIPPED", "message": job["message"]}]
    assert shown["status"]["last_job_run_time"] == job["start_time"]
