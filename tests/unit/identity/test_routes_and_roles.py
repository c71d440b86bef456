"""Every route, by every built-in role and by scoped ones, against the running server: the answers are what docs/reference/permissions.md says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from cloudcasa_server.identity.rolebook import BuiltIn
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.rest import Principal, Resource, indexes_of, paths
from cloudcasa_server.kit.store import eq

from tests.support.access import Caller, House, a_house, two_clusters
from tests.support.api import AnyoneIs, an_admin
from tools.permissions_reference import TARGET, wanted

pytestmark = pytest.mark.asyncio(loop_scope="module")

_LINE = re.compile(r"^\| `(?P<path>/[^`]*)` \| (?P<method>[A-Z]+) \| (?P<needs>[^|]*) \| (?P<cells>.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    path: str
    method: str
    needs: str
    cells: tuple[str, ...]

    @property
    def people_only(self) -> bool:
        return self.needs.endswith("people")

    @property
    def is_asking(self) -> bool:
        return self.needs.startswith("`")

    def url(self, document_id: str = "0" * 24) -> str:
        path = self.path.replace("{id}", document_id).replace("{rest:path}", "nothing").replace("{token}", "t" * 43)
        return re.sub(r"\{\w+\}", "x", path)


LINES = [
    Line(one["path"], one["method"], one["needs"], tuple(one["cells"].split(" | "))) for one in _LINE.finditer(TARGET.read_text("utf-8"))
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(tmp_path_factory.mktemp("house")) as running:
        yield await two_clusters(running)


async def ask(house: House, line: Line, key: str | None, *, document_id: str = "0" * 24) -> tuple[int, str]:
    headers = {"If-Match": "*"} | ({"Authorization": f"Bearer {key}"} if key else {})
    body: dict[str, Any] = {} if line.method in {"GET", "DELETE", "OPTIONS"} else {"json": {}}
    answer = await house.client.request(line.method, line.url(document_id), headers=headers, **body)
    return answer.status_code, answer.text


async def test_the_table_is_what_the_routes_say() -> None:
    assert TARGET.read_text("utf-8") == wanted()
    assert len(LINES) > 100


@pytest.mark.parametrize("role", list(BuiltIn))
async def test_each_role_may_what_the_table_says(house: House, role: BuiltIn) -> None:
    caller = await house.a_key(roles=[role.value])
    column = list(BuiltIn).index(role)
    for line in LINES:
        status, text = await ask(house, line, caller.key)
        if line.people_only:
            assert status == 403, (line, text)
            assert "API Key access is not allowed for this resource" in text
        elif line.is_asking:
            assert (status == 403) is (line.cells[column] == "no"), (line, status, text)
        assert status not in {405, 500, 501}, (line, status, text)


async def test_without_a_credential_only_open_routes_answer(house: House) -> None:
    for line in LINES:
        status, text = await ask(house, line, None)
        assert (status == 401 and "This needs an API key" in text) is (line.cells[0] != "anybody"), (line, status, text)


async def test_people_may_what_only_people_may(house: House) -> None:
    rest = house.app.state.rest
    before, rest.authenticator = rest.authenticator, AnyoneIs(replace(an_admin(), kind="user"))
    try:
        for line in LINES:
            if line.people_only and line.is_asking:
                assert (await ask(house, line, "x"))[0] not in {401, 403, 405, 500}, line
        rest.authenticator = AnyoneIs(Principal(id=new_id(), email="nobody", kind="user"))
        for line in LINES:
            if line.is_asking:
                assert (await ask(house, line, "x"))[0] == 403, line
    finally:
        rest.authenticator = before


async def put_one(house: House, resource: Resource, anchor: dict[str, Any]) -> str:
    """Store a document of the resource that belongs to the anchor, as far as it says how; return its id."""
    document: dict[str, Any] = {"_id": new_id(), "_created": 1, "_updated": 1, "_etag": "e", "name": f"x{new_id()}", "status": {}}
    for index in indexes_of(resource):
        if index.unique:
            paths.put(document, index.keys[0][0], new_id())
    for path in {path for belonging in resource.belongs.values() for path in belonging.paths} - {"_id"}:
        name = [anchor["name"]] if path.endswith("namespaces") else anchor["name"]
        paths.put(document, path, anchor["cluster"] if path.endswith(("cluster", "cluster_id")) else name)
    await house.store.collection(resource.name).insert(document)
    return str(document["_id"])


async def shown_ids(caller: Caller, resource: Resource) -> set[str]:
    answer = await caller.ask("GET", resource.name, params={"max_results": "1000"})
    return {item["_id"] for item in answer.json().get("_items", ())}


@pytest.mark.parametrize("column", [3, 4], ids=["cluster", "namespace"])
async def test_a_team_sees_and_changes_what_the_table_says(house: House, column: int) -> None:
    """Of each resource one document of ours and one of theirs is stored, and every route is tried on both."""
    anchor = ("kubeclusters", house.made["red"]["_id"]) if column == 3 else ("kubenamespaces", house.made["red/shop"]["_id"])
    team = await house.a_team(resource=anchor[0], ids=[anchor[1]], roles=["USER"])
    mine = {"cluster": house.made["red"]["_id"], "name": "shop"}
    theirs = {"cluster": house.made["blue"]["_id"], "name": "shop"}
    listed = {line.path.removeprefix("/api/v1/"): line for line in LINES if line.method == "GET" and line.is_asking}
    for name, resource in house.app.state.rest.resources.items():
        if name in {"orgs", "kubeclusters"}:
            continue
        ours, foreign = await put_one(house, resource, mine), await put_one(house, resource, theirs)
        cell = listed[name].cells[column]
        expected = {"own": {ours}, "all": {ours, foreign}, "seen": {ours}, "no": set()}[cell]
        assert await shown_ids(team, resource) & {ours, foreign} == expected, (name, cell)
        for line in LINES:
            if line.path.startswith(f"/api/v1/{name}/{{id}}") and line.method != "GET" and line.is_asking:
                status, text = await ask(house, line, team.key, document_id=foreign)
                assert status in {403, 404}, (line, status, text)
        assert await house.store.collection(name).count(eq("_id", foreign)) == 1


async def test_a_team_never_touches_another_cluster(house: House) -> None:
    team = await house.a_team(resource="kubeclusters", ids=[house.made["red"]["_id"]], roles=["ADMIN"])
    for line in LINES:
        if line.path.startswith("/api/v1/kubeclusters") and line.is_asking and "{id}" in line.path:
            assert (await ask(house, line, team.key, document_id=house.made["blue"]["_id"]))[0] == 404, line
