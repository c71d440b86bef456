"""Teams with one cluster or one namespace: what they see, do and cannot find out, against the whole server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.access import Caller, House, a_house, two_clusters

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(tmp_path_factory.mktemp("house")) as running:
        yield await two_clusters(running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def red(house: House) -> Caller:
    """A team with the cluster red."""
    return await house.a_team(resource="kubeclusters", ids=[house.made["red"]["_id"]], roles=["USER"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(house: House) -> Caller:
    """A team with the namespace shop of the cluster red."""
    return await house.a_team(resource="kubenamespaces", ids=[house.made["red/shop"]["_id"]], roles=["USER"])


async def test_a_cluster_team_sees_its_cluster_and_what_belongs_to_it(red: Caller) -> None:
    assert await red.names("kubeclusters") == ["red"]
    assert await red.names("kubebackups") == ["red-all", "red-bank", "red-shop"]
    assert await red.names("kubeoffloads") == ["red-bank", "red-shop"]
    assert await red.names("backupinstances") == ["red-all", "red-bank", "red-shop"]
    assert await red.names("kubenamespaces") == ["bank", "shop"]
    assert await red.names("policies") == ["daily"]
    assert await red.names("objectstores") == ["lab"]


async def test_a_namespace_team_sees_only_what_lies_wholly_in_it(shop: Caller) -> None:
    assert await shop.names("kubeclusters") == ["red"]
    assert await shop.names("kubebackups") == ["red-shop"]
    assert await shop.names("kubeoffloads") == ["red-shop"]
    assert await shop.names("backupinstances") == ["red-shop"]
    assert await shop.names("kubenamespaces") == ["shop"]
    assert await shop.names("policies") == ["daily"]


@pytest.mark.parametrize("resource", ["users", "apikeys", "roles", "usergroups", "auditlogs"])
async def test_teams_learn_nothing_of_people_and_keys(red: Caller, shop: Caller, resource: str) -> None:
    assert await red.status("GET", resource) in {403, 404}
    assert await shop.status("GET", resource) in {403, 404}


async def test_the_manifest_of_a_cluster_is_for_who_may_change_that_cluster(house: House, red: Caller, shop: Caller) -> None:
    assert "agentURL" in (await red.rows("kubeclusters"))[0]["status"]
    seen = await shop.ask("GET", "kubebackups", params={"embedded": '{"cluster": 1}'})
    everywhere = await house.a_key(
        roles=["VIEWER"], acls=[{"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]], "roles": ["USER"]}]
    )
    shown = {one["name"]: "agentURL" in one["status"] for one in await everywhere.rows("kubeclusters")}
    assert "kubeclusteragents" not in seen.text + (await shop.ask("GET", "kubeclusters")).text
    assert shown == {"red": True, "blue": False}
    hidden = await everywhere.ask("GET", "kubeclusters", params={"where": '{"status.agentURL": {"$gt": "a"}}'})
    assert hidden.status_code == 400


CREATE = "creates"
FOREIGN: list[tuple[str, str, dict[str, Any]]] = [
    ("a backup on another cluster", "kubebackups", {"cluster": "blue", "source": {"namespaces": ["shop"]}}),
    ("a copy of a foreign backup", "kubeoffloads", {"backupdef": "blue-shop"}),
    ("a copy that lies about its cluster", "kubeoffloads", {"backupdef": "blue-shop", "cluster": "red"}),
    ("a restore of a foreign point", "kuberestores", {"backup_inst": "blue-shop-point", "selection": {"namespaces": ["shop"]}}),
    (
        "a restore of a foreign point into its own cluster",
        "kuberestores",
        {"backup_inst": "blue-shop-point", "cluster": "red", "selection": {"all_namespaces": True}},
    ),
    (
        "a restore of its own point into a foreign cluster",
        "kuberestores",
        {"backup_inst": "red-shop-point", "cluster": "blue", "selection": {"all_namespaces": True}},
    ),
    ("a new cluster", "kubeclusters", {}),
    ("a policy for everyone", "policies", {"schedules": [{"retainDays": 1, "schedule": {"cronSpec": "0 1 * * *"}}]}),
]
FOREIGN_TO_SHOP: list[tuple[str, str, dict[str, Any]]] = [
    *FOREIGN,
    ("a backup of the whole cluster", "kubebackups", {"cluster": "red", "source": {"all_namespaces": True}}),
    ("all namespaces beside its own", "kubebackups", {"cluster": "red", "source": {"all_namespaces": True, "namespaces": ["shop"]}}),
    ("one namespace too many", "kubebackups", {"cluster": "red", "source": {"namespaces": ["shop", "bank"]}}),
    ("the other namespace", "kubebackups", {"cluster": "red", "source": {"namespaces": ["bank"]}}),
    ("any namespace by pattern", "kubebackups", {"cluster": "red", "source": {"namespaces": ["*"]}}),
    ("the same name on another cluster", "kubebackups", {"cluster": "blue", "source": {"namespaces": ["shop"]}}),
    ("a foreign point", "kuberestores", {"backup_inst": "red-bank-point", "selection": {"all_namespaces": True}}),
    ("a part of the cluster's point", "kuberestores", {"backup_inst": "red-all-point", "selection": {"namespaces": ["shop"]}}),
    (
        "its own data into a foreign namespace",
        "kuberestores",
        {"backup_inst": "red-shop-point", "selection": {"namespaces": ["shop"]}, "namespaces_map": {"shop": "bank"}},
    ),
    (
        "its own data under a prefix",
        "kuberestores",
        {"backup_inst": "red-shop-point", "selection": {"namespaces": ["shop"]}, "namespaces_prefix": "x-"},
    ),
    (
        "an object of another namespace",
        "kuberestores",
        {"backup_inst": "red-all-point", "selection": {"objects": [{"kind": "Secret", "namespace": "bank", "name": "login"}]}},
    ),
    (
        "its own object into a foreign namespace",
        "kuberestores",
        {
            "backup_inst": "red-shop-point",
            "selection": {"objects": [{"kind": "Secret", "namespace": "shop", "name": "login"}]},
            "namespaces_map": {"shop": "bank"},
        },
    ),
    (
        "objects of the whole cluster",
        "kuberestores",
        {"backup_inst": "red-shop-point", "selection": {"objects": [{"kind": "ClusterRole", "name": "admin"}]}},
    ),
    (
        "its own data changed into anything",
        "kuberestores",
        {
            "backup_inst": "red-shop-point",
            "selection": {"all_namespaces": True},
            "options": {"resource_modifiers": [{"conditions": {"groupResource": "*"}, "mergePatches": [{"patchData": "{}"}]}]},
        },
    ),
    (
        "everything under a suffix",
        "kuberestores",
        {"backup_inst": "red-shop-point", "selection": {"all_namespaces": True}, "namespaces_suffix": "-x"},
    ),
]


def with_ids(house: House, body: dict[str, Any]) -> dict[str, Any]:
    return {key: house.made[value]["_id"] if isinstance(value, str) and value in house.made else value for key, value in body.items()}


async def count(house: House) -> dict[str, int]:
    names = ("kubebackups", "kubeoffloads", "kuberestores", "kubeclusters", "policies", "jobs", "commands")
    return {name: await house.store.collection(name).count() for name in names}


@pytest.mark.parametrize(("resource", "body"), [one[1:] for one in FOREIGN], ids=[one[0] for one in FOREIGN])
async def test_a_cluster_team_cannot_make(house: House, red: Caller, resource: str, body: dict[str, Any]) -> None:
    before = await count(house)
    answer = await red.ask("POST", resource, json={"name": "mine"} | with_ids(house, body))
    assert answer.status_code in {403, 422}, answer.text
    assert await count(house) == before


@pytest.mark.parametrize(("resource", "body"), [one[1:] for one in FOREIGN_TO_SHOP], ids=[one[0] for one in FOREIGN_TO_SHOP])
async def test_a_namespace_team_cannot_make(house: House, shop: Caller, resource: str, body: dict[str, Any]) -> None:
    before = await count(house)
    answer = await shop.ask("POST", resource, json={"name": "mine"} | with_ids(house, body))
    assert answer.status_code in {403, 422}, answer.text
    assert await count(house) == before


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("takes the whole cluster", {"source": {"all_namespaces": True}}),
    ("takes another namespace", {"source": {"namespaces": ["bank"]}}),
    ("adds another namespace", {"source": {"namespaces": ["shop", "bank"]}}),
    ("moves to another cluster", {"cluster": "blue"}),
    ("copies by a foreign copy", {"copydef": "blue-shop"}),
]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("change", [one[1] for one in CHANGES], ids=[one[0] for one in CHANGES])
async def test_a_namespace_team_cannot_stretch_its_backup(house: House, shop: Caller, method: str, change: dict[str, Any]) -> None:
    stored = await house.store.collection("kubebackups").get(house.made["red-shop"]["_id"])
    whole = {"name": "red-shop", "cluster": house.made["red"]["_id"], "source": {"namespaces": ["shop"]}}
    body = with_ids(house, change) if method == "PATCH" else whole | with_ids(house, change)
    answer = await shop.ask(method, f"kubebackups/{house.made['red-shop']['_id']}", json=body)
    assert answer.status_code in {403, 422}, answer.text
    assert await house.store.collection("kubebackups").get(house.made["red-shop"]["_id"]) == stored


@pytest.mark.parametrize("made", ["blue-shop", "blue-all", "red-bank", "red-all"])
async def test_what_a_namespace_team_does_not_see_it_cannot_touch(house: House, shop: Caller, made: str) -> None:
    path = f"kubebackups/{house.made[made]['_id']}"
    answers = [
        await shop.status("GET", path),
        await shop.status("PATCH", path, json={"pause": True}),
        await shop.status("DELETE", path),
        await shop.status("POST", f"{path}/action/run", json={}),
        await shop.status("DELETE", f"backupinstances/{house.made[f'{made}-point']['_id']}"),
    ]
    assert answers == [404] * 5


async def test_a_namespace_team_does_its_work(house: House, shop: Caller) -> None:
    body = {"cluster": house.made["red"]["_id"], "source": {"namespaces": ["shop"]}, "policy": house.made["policy"]["_id"]}
    backup = await shop.make("kubebackups", name="mine", **body)
    offload = await shop.make("kubeoffloads", name="mine", backupdef=backup["_id"])
    run = await shop.ask("POST", f"kubeoffloads/{offload['_id']}/action/run", json={})
    assert run.status_code == 200, run.text
    (job,) = await shop.rows("jobs", where={"backupdef": backup["_id"]})
    assert await shop.status("GET", f"jobs/{job['_id']}/logs") == 404
    assert "touched_namespaces" not in json.dumps([job, offload])
    restore = {"backup_inst": house.made["red-shop-point"]["_id"], "selection": {"all_namespaces": True}}
    made = await shop.make("kuberestores", name="mine", **restore)
    assert await shop.status("DELETE", f"kuberestores/{made['_id']}") == 204
    assert await shop.status("DELETE", f"kubeoffloads/{offload['_id']}") == 204
    assert await shop.status("DELETE", f"kubebackups/{backup['_id']}") == 204


async def test_a_copy_follows_its_backup_out_of_the_teams_sight(house: House, shop: Caller) -> None:
    body = {"cluster": house.made["red"]["_id"], "source": {"namespaces": ["shop"]}}
    backup = await house.admin.make("kubebackups", name="wander", **body)
    offload = await house.admin.make("kubeoffloads", name="wander", backupdef=backup["_id"])
    assert await shop.status("GET", f"kubeoffloads/{offload['_id']}") == 200
    await house.admin.ask("PATCH", f"kubebackups/{backup['_id']}", json={"source": {"namespaces": ["shop", "bank"]}})
    assert await shop.status("GET", f"kubeoffloads/{offload['_id']}") == 404


async def test_jobs_and_their_logs_are_for_who_sees_the_namespaces(house: House, red: Caller, shop: Caller) -> None:
    for made in ("red-shop", "red-bank", "red-all", "blue-shop"):
        assert await house.admin.status("POST", f"kubebackups/{house.made[made]['_id']}/action/run", json={}) == 200
    jobs = {job["backupdef_name"]: job["_id"] for job in await house.admin.rows("jobs") if "backupdef_name" in job}
    for job_id in jobs.values():
        await house.store.collection("joblogs").insert({"_id": job_id, "log": "secret"})
    seen = {name: await shop.status("GET", f"jobs/{jobs[name]}/logs") for name in ("red-shop", "red-bank", "red-all", "blue-shop")}
    assert seen == {"red-shop": 200, "red-bank": 404, "red-all": 404, "blue-shop": 404}
    assert {job.get("backupdef_name") for job in await red.rows("jobs")} >= {"red-shop", "red-bank", "red-all"}
    assert await shop.status("POST", f"jobs/{jobs['red-all']}/action/cancel") == 404


async def test_a_lost_namespace_can_still_be_restored_by_its_team(house: House) -> None:
    cluster = house.made["red"]["_id"]
    namespace = await house.a_namespace(cluster, "lost")
    point = await house.a_point(cluster, "lost", namespaces=["lost"])
    team = await house.a_team(resource="kubenamespaces", ids=[namespace], roles=["USER"])
    await house.store.collection("kubenamespaces").delete(namespace)
    house.app.state.parts.keys.forget()
    assert await team.names("backupinstances") == ["lost"]
    await team.make("kuberestores", name="bring back", backup_inst=point, selection={"all_namespaces": True})
    assert await house.a_namespace(cluster, "lost") == namespace


async def test_a_team_of_two_clusters_restores_from_one_into_the_other(house: House) -> None:
    both = [house.made[name]["_id"] for name in ("red", "blue")]
    team = await house.a_team(resource="kubeclusters", ids=both, roles=["USER"])
    point = house.made["red-shop-point"]["_id"]
    made = await team.make("kuberestores", name="over", backup_inst=point, cluster=both[1], selection={"all_namespaces": True})
    assert (made["cluster"], made["source_cluster"]) == (both[1], both[0])
    assert await team.status("DELETE", f"kuberestores/{made['_id']}") == 204


async def test_seeing_a_point_is_not_enough_to_take_its_data_to_another_cluster(house: House) -> None:
    """Who restores reveals the source's Secrets to the target: both clusters must be theirs to restore."""
    rows = [
        {"resource": "kubeclusters", "resourceIds": [house.made["blue"]["_id"]], "roles": ["USER"]},
        {"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]], "roles": ["VIEWER"]},
    ]
    team = await house.a_key(acls=rows)
    body = {"backup_inst": house.made["red-shop-point"]["_id"], "cluster": house.made["blue"]["_id"]}
    assert "red-shop" in await team.names("backupinstances")
    assert await team.status("POST", "kuberestores", json={"name": "over", "selection": {"all_namespaces": True}} | body) == 403


async def test_rights_of_the_capsule_addon_are_enough_for_a_tenant(house: House) -> None:
    """The permissions that the addon's tenants are known to have (rest-api.md 2.15)."""
    permissions = ["kubebackups.create", "kuberestores.create", "kubeclusters.backup", "kubeclusters.restore", "kubenamespaces.read"]
    tenant = await house.a_team(resource="kubenamespaces", ids=[house.made["blue/shop"]["_id"]], permissions=permissions)
    body = {"cluster": house.made["blue"]["_id"], "source": {"namespaces": ["shop"]}}
    made = await tenant.make("kubebackups", name="tenant", **body)
    assert await tenant.status("POST", f"kubebackups/{made['_id']}/action/run", json={}) == 200
    assert await tenant.status("GET", "kubebackups") == 403
    assert await tenant.status("DELETE", f"kubebackups/{made['_id']}") == 403
    assert await tenant.names("kubenamespaces") == ["shop"]


async def test_a_row_without_ids_gives_nothing(house: House) -> None:
    nobody = await house.a_team(resource="kubeclusters", ids=[], roles=["ADMIN"])
    assert await nobody.status("GET", "kubeclusters") == 403


async def test_a_refusal_names_only_what_its_reader_may_see(house: House) -> None:
    schedules = [{"retainDays": 7, "schedule": {"cronSpec": "0 1 * * *"}}]
    policy = await house.admin.make("policies", name="used", schedules=schedules)
    body = {"cluster": house.made["blue"]["_id"], "source": {"namespaces": ["shop"]}, "policy": policy["_id"]}
    await house.admin.make("kubebackups", name="blue secret", **body)
    team = await house.a_key(
        acls=[
            {"resource": "kubeclusters", "resourceIds": [house.made["red"]["_id"]], "roles": ["USER"]},
            {"resource": "policies", "resourceIds": [policy["_id"]], "permissions": ["policies.delete"]},
        ]
    )
    refused = await team.ask("DELETE", f"policies/{policy['_id']}")
    assert refused.status_code == 422
    assert "another backup" in refused.text
    assert "blue secret" not in refused.text
    assert "blue secret" in (await house.admin.ask("DELETE", f"policies/{policy['_id']}")).text
