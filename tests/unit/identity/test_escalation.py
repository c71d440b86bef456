"""Nobody gives more than they have, nobody is locked out, and what is taken away is gone at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cloudcasa_server.identity.grants import principal_of_user
from cloudcasa_server.identity.rolebook import builtin_id
from cloudcasa_server.identity.service import BOOTSTRAP_FILE
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.store import eq

from tests.support.access import Caller, House, a_house, two_clusters

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANAGER = [
    *("apikeys.create", "apikeys.read", "apikeys.update", "apikeys.delete"),
    *("usergroups.create", "usergroups.read", "usergroups.update", "roles.create", "roles.read", "roles.update"),
    *("policies.read", "policies.create", "kubeclusters.read"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(tmp_path_factory.mktemp("house")) as running:
        yield await two_clusters(running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(house: House) -> Caller:
    """One who manages keys, groups and roles everywhere, and may do little else."""
    role = await house.admin.make("roles", name="manager", permissions=MANAGER)
    return await house.a_key("manager", roles=[role["_id"]])


def everywhere(*permissions: str, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"resource": "allresources", "permissions": list(permissions), "roles": list(roles)}


TOO_MUCH: list[tuple[str, dict[str, Any]]] = [
    ("nothing said, which is ADMIN", {}),
    ("a role by name", {"roles": ["admin"]}),
    ("a role by name in capitals", {"roles": ["ADMIN"]}),
    ("a role by id", {"roles": [builtin_id("ADMIN")]}),
    ("the organisation's role", {"org_role": "ADMIN"}),
    ("the users' role", {"org_role": "USER"}),
    ("everything", {"acls": [everywhere("*.*")]}),
    ("a wider pattern", {"acls": [everywhere("policies.*")]}),
    ("another pattern", {"acls": [everywhere("*.read")]}),
    ("one thing more", {"acls": [everywhere("policies.read", "policies.delete")]}),
    ("a role in a row", {"acls": [everywhere(roles=("VIEWER",))]}),
    ("a role in a row as an object", {"acls": [{"resource": "allresources", "roles": [{"_id": builtin_id("ADMIN")}]}]}),
    ("a cluster's backups", {"acls": [{"resource": "kubeclusters", "resourceIds": ["red"], "permissions": ["kubeclusters.backup"]}]}),
]


def with_ids(house: House, rights: dict[str, Any]) -> dict[str, Any]:
    named = json.loads(json.dumps(rights))
    for row in named.get("acls", ()):
        if "resourceIds" in row:
            row["resourceIds"] = [house.made[one]["_id"] for one in row["resourceIds"]]
    return dict(named)


@pytest.mark.parametrize("rights", [one[1] for one in TOO_MUCH], ids=[one[0] for one in TOO_MUCH])
async def test_a_key_never_gives_more_than_its_maker_has(house: House, manager: Caller, rights: dict[str, Any]) -> None:
    before = await house.store.collection("apikeys").count()
    answer = await manager.ask("POST", "apikeys", json={"name": f"k{new_id()}", **with_ids(house, rights)})
    assert answer.status_code == 403, answer.text
    assert "You cannot give" in answer.json()["_error"]["message"]
    assert await house.store.collection("apikeys").count() == before


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("rights", [one[1] for one in TOO_MUCH[1:]], ids=[one[0] for one in TOO_MUCH[1:]])
async def test_a_key_cannot_be_made_to_give_more(house: House, manager: Caller, method: str, rights: dict[str, Any]) -> None:
    key = await manager.make("apikeys", name=f"k{new_id()}", acls=[everywhere("policies.read")])
    body = {"acls": [], **with_ids(house, rights)} | ({"name": key["name"]} if method == "PUT" else {})
    answer = await manager.ask(method, f"apikeys/{key['_id']}", json=body)
    assert answer.status_code == 403, answer.text
    assert await manager.status("DELETE", f"apikeys/{key['_id']}") == 204


async def test_nobody_raises_their_own_key(house: House, manager: Caller) -> None:
    answer = await manager.ask("PATCH", f"apikeys/{manager.id}", json={"roles": ["ADMIN"]})
    assert answer.status_code == 403
    own = (await house.admin.rows("roles", where={"name": "manager"}))[0]["_id"]
    raised = await manager.ask("PATCH", f"roles/{own}", json={"permissions": [*MANAGER, "*.*"]})
    assert raised.status_code == 403
    made = await manager.ask("POST", "roles", json={"name": "sneaky", "permissions": ["objectstores.read"]})
    assert made.status_code == 403


@pytest.mark.parametrize("rights", [one[1] for one in TOO_MUCH if "acls" in one[1]], ids=[one[0] for one in TOO_MUCH if "acls" in one[1]])
async def test_a_group_never_gives_more_than_its_maker_has(house: House, manager: Caller, rights: dict[str, Any]) -> None:
    body = with_ids(house, rights)
    assert await manager.status("POST", "usergroups", json={"name": f"g{new_id()}", **body}) == 403
    group = await manager.make("usergroups", name=f"g{new_id()}")
    assert await manager.status("PATCH", f"usergroups/{group['_id']}", json=body) == 403
    path = f"usergroups/{group['_id']}/action/update-acls"
    assert await manager.status("POST", path, json=body, headers={"If-Match": group["_etag"]}) == 403
    stored = await house.store.collection("usergroups").get(group["_id"])
    assert stored is not None
    assert stored["acls"] == []


async def test_nobody_enters_a_group_that_gives_more_than_they_have(house: House, manager: Caller) -> None:
    user = {
        "_id": new_id(),
        "name": "eve",
        "email": "eve@example.org",
        "email_key": "eve",
        "identity_key": "eve",
        "_created": 1,
        "_updated": 1,
        "_etag": "e",
    }
    await house.store.collection("users").insert(user)
    group = await house.admin.make("usergroups", name="admins", acls=[everywhere("*.*")])
    assert await manager.status("PATCH", f"usergroups/{group['_id']}", json={"users": [user["_id"]]}) == 403
    assert await manager.status("PATCH", f"usergroups/{group['_id']}", json={"description": "of the house"}) == 200


async def test_what_the_maker_has_can_be_given(house: House, manager: Caller) -> None:
    made = await manager.make("apikeys", name="less", acls=[everywhere("policies.read")])
    less = Caller(house.client, made["apikey"])
    assert await less.status("GET", "policies") == 200
    assert await less.status("GET", "kubeclusters") == 403
    assert await manager.status("PATCH", f"apikeys/{made['_id']}", json={"acls": [everywhere("policies.read", "kubeclusters.read")]}) == 200
    assert await less.status("GET", "kubeclusters") == 200


async def test_a_scoped_maker_gives_within_its_scope_only(house: House) -> None:
    """Around a cluster one can be allowed everything; keys do not belong to clusters, so making them takes a grant that holds everywhere."""
    row = {"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]], "permissions": ["*.*"]}
    scoped = await house.a_key(acls=[row, everywhere("apikeys.create", "apikeys.read")])

    async def give(resource: str, made: str, *permissions: str) -> int:
        wanted = {"resource": resource, "resourceIds": [house.made[made]["_id"]], "permissions": list(permissions)}
        return await scoped.status("POST", "apikeys", json={"name": f"k{new_id()}", "acls": [wanted]})

    assert await give("kubeclusters", "red", "kubebackups.create", "kubeclusters.*") == 201
    assert await give("kubenamespaces", "red/shop", "kubebackups.create") == 201
    assert await give("kubeclusters", "blue", "kubebackups.create") == 422
    assert await give("kubenamespaces", "blue/shop", "kubebackups.create") == 422
    assert await scoped.status("POST", "apikeys", json={"name": "wide", "acls": [everywhere("kubebackups.read")]}) == 403
    only = await house.a_team(resource="kubeclusters", ids=[house.made["red"]["_id"]], permissions=["*.*"])
    assert await only.status("POST", "apikeys", json={"name": "x", "acls": [row]}) == 403
    assert await only.rows("apikeys") == []


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"resource": "nothing"}, "no resource"),
        ({"resource": "allresources", "resourceIds": ["0" * 24]}, "takes no resourceIds"),
        ({"resource": "kubeclusters", "resourceIds": ["0" * 24]}, "no cluster with the id"),
        ({"resource": "kubeclusters", "resourceIds": ["$where"]}, "no cluster with the id"),
        ({"resource": "allresources", "permissions": ["policies.fly"]}, "no permission"),
        ({"resource": "allresources", "permissions": ["*"]}, "no permission"),
        ({"resource": "allresources", "permissions": [""]}, "no permission"),
        ({"resource": "allresources", "permissions": ["policies.read "]}, "no permission"),
        ({"resource": "allresources", "roles": ["0" * 24]}, "no role"),
        ({"resource": "allresources", "roles": [{"name": "KING"}]}, "no role"),
        ({"resource": "allresources", "roles": [{}]}, "no role"),
        ({"resource": "allresources", "roles": [7]}, "refused"),
        ({"permissions": []}, "required"),
        ({"resource": "allresources", "more": 1}, "not known"),
        ({"resource": "allresources", "roles": ["VIEWER"] * 101}, "refused"),
        ({"resource": "kubeclusters", "resourceIds": ["0" * 24] * 1_001}, "refused"),
    ],
    ids=str,
)
async def test_a_row_that_means_nothing_is_refused(house: House, row: dict[str, Any], sentence: str) -> None:
    answer = await house.admin.ask("POST", "usergroups", json={"name": f"g{new_id()}", "acls": [row]})
    assert answer.status_code == 422, answer.text
    assert sentence in answer.json()["_error"]["message"]


async def test_roles_of_rows_are_sent_as_ids_and_read_as_objects(house: House) -> None:
    """What the capsule addon's decoder needs, in lists, items and answers (rest-api.md 1.12.6)."""
    sent = [{"resource": "allresources", "permissions": ["policies.create"], "roles": [builtin_id("VIEWER")]}]
    made = await house.admin.make("usergroups", name="capsule", acls=sent)
    wanted = [{"_id": builtin_id("VIEWER"), "id": builtin_id("VIEWER"), "name": "VIEWER", "type": "BUILTIN"}]
    item = await house.admin.ask("GET", f"usergroups/{made['_id']}")
    (listed,) = await house.admin.rows("usergroups", where={"name": "capsule"})
    assert made["acls"][0]["roles"] == item.json()["acls"][0]["roles"] == listed["acls"][0]["roles"] == wanted
    for etag in (item.headers["etag"], item.headers["etag"].strip('"')):
        answer = await house.admin.ask(
            "POST", f"usergroups/{made['_id']}/action/update-acls", json={"acls": item.json()["acls"]}, headers={"If-Match": etag}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["_id"] == made["_id"]
        assert answer.json()["acls"][0]["roles"] == wanted
    path = f"usergroups/{made['_id']}/action/update-acls"
    assert await house.admin.status("POST", path, json={"acls": []}) == 428
    assert await house.admin.status("POST", path, json={"acls": []}, headers={"If-Match": "stale"}) == 412
    assert await house.admin.status("POST", path, json={}, headers={"If-Match": "*"}) == 422
    assert (
        await house.admin.status("POST", f"usergroups/{new_id()}/action/update-acls", json={"acls": []}, headers={"If-Match": "*"}) == 404
    )


@pytest.mark.parametrize("role", ["ADMIN", "USER", "VIEWER"])
async def test_built_in_roles_stay_as_they_are(house: House, role: str) -> None:
    (found,) = await house.admin.rows("roles", where={"name": role, "permissions": {"$exists": True}})
    path = f"roles/{found['_id']}"
    assert found["type"] == "BUILTIN"
    assert await house.admin.status("DELETE", path) == 403
    assert await house.admin.status("PATCH", path, json={"permissions": []}) == 403
    assert await house.admin.status("PUT", path, json={"name": role, "permissions": ["policies.read"]}) == 403
    assert await house.admin.status("POST", "roles", json={"name": role.lower(), "permissions": []}) == 422


async def test_a_role_in_use_is_not_deleted(house: House) -> None:
    role = await house.admin.make("roles", name="used", permissions=["policies.read"])
    key = await house.a_key("user of used", roles=["used"])
    refused = await house.admin.ask("DELETE", f"roles/{role['_id']}")
    assert refused.status_code == 422
    assert 'API key "user of used"' in refused.json()["_error"]["message"]
    renamed = await house.admin.ask("PATCH", f"roles/{role['_id']}", json={"name": "another"})
    assert renamed.status_code == 422
    assert "by its name" in renamed.json()["_error"]["message"]
    assert await house.admin.status("DELETE", f"apikeys/{key.id}") == 204
    assert await house.admin.status("PATCH", f"roles/{role['_id']}", json={"name": "another"}) == 200
    assert await house.admin.status("DELETE", f"roles/{role['_id']}") == 204


async def test_taking_away_counts_at_once(house: House) -> None:
    role = await house.admin.make("roles", name="fading", permissions=["policies.read", "kubeclusters.read"])
    key = await house.a_key(roles=[role["_id"]])
    assert await key.status("GET", "kubeclusters") == 200
    await house.admin.ask("PATCH", f"roles/{role['_id']}", json={"permissions": ["policies.read"]})
    assert [await key.status("GET", "kubeclusters"), await key.status("GET", "policies")] == [403, 200]
    await house.admin.ask("PATCH", f"apikeys/{key.id}", json={"roles": [], "acls": [everywhere("kubeclusters.read")]})
    assert [await key.status("GET", "kubeclusters"), await key.status("GET", "policies")] == [200, 403]
    await house.admin.ask("DELETE", f"apikeys/{key.id}")
    assert await key.status("GET", "kubeclusters") == 401


async def test_every_permission_of_a_role_is_listed(house: House) -> None:
    listed = {f"{one['resource']}.{one['operation']}" for one in await house.admin.rows("rbac/permissions")}
    assert listed >= {"policies.create", "kubebackups.create", "kuberestores.create", "kubeclusters.backup", "kubeclusters.restore"}
    roles = {role["name"]: role["permissions"] for role in await house.admin.rows("roles", where={"type": "BUILTIN"})}
    assert roles["ADMIN"] == ["*.*"]
    assert set(roles["VIEWER"]) < set(roles["USER"]) < listed
    assert not any(permission.startswith(("apikeys.", "auditlogs.", "users.")) for permission in roles["USER"])


async def test_a_key_ends_when_it_was_told_to(house: House) -> None:
    now = house.app.state.parts.clock.timestamp()
    assert await house.admin.status("POST", "apikeys", json={"name": "late", "roles": ["VIEWER"], "expires_at": now - 1}) == 422
    key = await house.a_key(roles=["VIEWER"], expires_at=now + 3_600)
    assert await key.status("GET", "policies") == 200
    await house.store.collection("apikeys").replace((await house.store.collection("apikeys").get(key.id) or {}) | {"expires_at": now - 1})
    house.app.state.parts.keys.forget()
    ended = await key.ask("GET", "policies")
    assert ended.status_code == 401
    assert "ended at" in ended.json()["_error"]["message"]


async def test_who_manages_keys_prolongs_none_that_gives_more(house: House, manager: Caller) -> None:
    now = house.app.state.parts.clock.timestamp()
    key = await house.a_key(roles=["ADMIN"], expires_at=now + 3_600)
    for later in (now + 7_200, None):
        refused = await manager.ask("PATCH", f"apikeys/{key.id}", json={"expires_at": later})
        assert refused.status_code == 403
    assert await manager.status("PATCH", f"apikeys/{key.id}", json={"description": "of a contractor"}) == 200


async def test_a_refusal_names_holders_of_a_role_only_to_who_may_read_them(house: House) -> None:
    role = await house.admin.make("roles", name="of-secret-key", permissions=["policies.read"])
    await house.a_key("secret-key", roles=[role["_id"]])
    keeper = await house.a_key(acls=[everywhere("roles.delete", "roles.read")])
    said = (await keeper.ask("DELETE", f"roles/{role['_id']}")).json()["_error"]["message"]
    assert "given to another API key" in said
    assert "secret-key" not in said.replace("of-secret-key", "")
    assert 'API key "secret-key"' in (await house.admin.ask("DELETE", f"roles/{role['_id']}")).json()["_error"]["message"]


async def test_a_key_says_when_it_was_used(house: House) -> None:
    key = await house.a_key(roles=["VIEWER"])
    before = (await house.admin.ask("GET", f"apikeys/{key.id}")).json()
    await key.ask("GET", "policies")
    after = (await house.admin.ask("GET", f"apikeys/{key.id}")).json()
    assert "last_used_at" not in before
    assert after["last_used_at"] >= before.get("last_used_at", 0)
    assert after["_etag"] == before["_etag"]


async def test_the_last_administrator_stays(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        own = f"apikeys/{house.admin.id}"
        now = house.app.state.parts.clock.timestamp()
        assert await house.admin.status("DELETE", own) == 422
        assert await house.admin.status("PATCH", own, json={"roles": ["VIEWER"]}) == 422
        assert await house.admin.status("PATCH", own, json={"expires_at": now + 60}) == 422
        await house.a_key(roles=["ADMIN"], expires_at=now + 60)
        assert await house.admin.status("DELETE", own) == 422
        other = await house.a_key(roles=["ADMIN"])
        assert await house.admin.status("DELETE", own) == 204
        assert await other.status("DELETE", f"apikeys/{other.id}") == 422


async def test_a_start_without_any_administrator_makes_a_key(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        keys, old = house.store.collection("apikeys"), house.admin.key
        await keys.replace((await keys.get(house.admin.id) or {}) | {"roles": ["VIEWER"]})
    async with a_house(tmp_path) as house:
        saved = Caller(house.client, (tmp_path / BOOTSTRAP_FILE).read_text().strip())
        assert saved.key != old
        assert await saved.status("GET", "apikeys") == 200
        assert await Caller(house.client, old).status("GET", "apikeys") == 403


async def test_there_are_only_so_many_keys(tmp_path: Path) -> None:
    async with a_house(tmp_path, api_key_quota=3) as house:
        answers = await asyncio.gather(*(house.admin.ask("POST", "apikeys", json={"name": f"k{n}", "roles": ["VIEWER"]}) for n in range(2)))
        assert [answer.status_code for answer in answers] == [201, 201]
        refused = await house.admin.ask("POST", "apikeys", json={"name": "one more", "roles": ["VIEWER"]})
        assert refused.status_code == 403
        assert "CLOUDCASA_API_KEY_QUOTA" in refused.json()["_error"]["message"]


async def test_people_get_what_their_membership_and_groups_give(house: House) -> None:
    user = {
        "_id": new_id(),
        "name": "ann",
        "email": "ann@example.org",
        "email_key": "ann",
        "identity_key": "ann",
        "_created": 1,
        "_updated": 1,
        "_etag": "e",
    }
    await house.store.collection("users").insert(user)
    await house.store.collection("userorgs").insert(
        {"_id": new_id(), "user": user["_id"], "org": new_id(), "roles": ["VIEWER"], "acls": []}
    )
    row = {"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]], "permissions": ["kubebackups.create"]}
    await house.admin.make("usergroups", name="red team", users=[user["_id"]], acls=[row])
    principal = await principal_of_user(user, store=house.store)
    assert principal.scope("policies.read").is_all
    assert not principal.allows("policies.create")
    assert [one["_id"] for one in principal.scope("kubebackups.create").anchors["kubeclusters"]] == [house.made["red"]["_id"]]
    assert await house.store.collection("users").count(eq("_id", user["_id"])) == 1


async def test_people_stay_hidden_from_keys_also_when_they_are_embedded(house: House) -> None:
    user = {
        "_id": new_id(),
        "name": "zoe",
        "email": "zoe@example.org",
        "email_key": "zoe",
        "identity_key": "zoe",
        "_created": 1,
        "_etag": "e",
    }
    await house.store.collection("users").insert(user)
    group = await house.admin.make("usergroups", name="zoe's", users=[user["_id"]])
    shown = await house.admin.ask("GET", f"usergroups/{group['_id']}", params={"embedded": '{"users": 1}'})
    assert shown.json()["users"] == [user["_id"]]
    assert (await house.admin.ask("GET", f"users/{user['_id']}")).status_code == 403


async def test_rows_have_a_size(house: House) -> None:
    rows = [{"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]] * 600}] * 2
    answer = await house.admin.ask("POST", "usergroups", json={"name": "large", "acls": rows})
    assert answer.status_code == 422
    assert "1000 are allowed" in answer.json()["_error"]["message"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_two_who_take_away_the_last_administrators_at_once_leave_one(tmp_path: Path, method: str) -> None:
    async with a_house(tmp_path) as house:
        other = await house.a_key(roles=["ADMIN"])
        body = {"json": {"roles": ["VIEWER"]}} if method == "PATCH" else {}
        pairs = ((house.admin, other.id), (other, house.admin.id))
        answers = await asyncio.gather(*(caller.ask(method, f"apikeys/{victim}", **body) for caller, victim in pairs))
        assert any(answer.status_code in {401, 403, 422} for answer in answers), [answer.text for answer in answers]
        house.app.state.parts.keys.forget()
        alive = [await caller.status("GET", "apikeys") for caller in (house.admin, other)]
        assert 200 in alive


class OtherReplica:
    """A store in which another replica deletes a key just when this one deletes another."""

    def __init__(self, store: Any, *, victim: str) -> None:
        self._store = store
        self._victim = victim

    def collection(self, name: str, /) -> Any:
        return OtherReplica(self._store.collection(name), victim=self._victim) if name == "apikeys" else self._store.collection(name)

    async def delete(self, document_id: str, **how: Any) -> bool:
        await self._store.delete(self._victim)
        return bool(await self._store.delete(document_id, **how))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_what_left_no_administrator_is_undone_and_written_down(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        other = await house.a_key(roles=["ADMIN"])
        house.app.state.rest.store = OtherReplica(house.store, victim=other.id)
        answer = await house.admin.ask("DELETE", f"apikeys/{house.admin.id}")
        assert answer.status_code == 422
        assert "nobody would be left" in answer.json()["_error"]["message"]
        assert await house.store.collection("apikeys").get(other.id) is None
        entries = [(one["operation"], one["outcome"]) for one in await house.entries(resource_id=house.admin.id)]
        assert entries == [("delete", "OK"), ("delete", "FAILED")]
