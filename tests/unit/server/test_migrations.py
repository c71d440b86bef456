"""Migrations and replications are kept, judged and found; their run is refused until it is built (rest-api.md 2.10)."""

from __future__ import annotations

import json
from itertools import count

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


def a_name():
    return f"migration-{next(_numbers)}"


async def two_clusters(shared):
    return [(await shared.a_cluster(a_name()))["_id"] for _ in range(2)]


async def a_migration(shared, source, target, **changes):
    body = {"name": a_name(), "backup": {"cluster": source, "source": {"namespaces": ["shop"]}}, "restore": {"cluster": target}}
    return await shared.post("kubemigrations", **(body | changes))


async def test_migrations_and_replications_are_found_from_both_ends_as_rancher_asks(shared):
    source, target = await two_clusters(shared)
    policy = await shared.make("policies", name=a_name(), schedules=[{"schedule": {"cronSpec": "0 1 * * *"}}])
    once = (await a_migration(shared, source, target)).json()
    again = (await a_migration(shared, source, target, is_replication=True, policy=policy["_id"])).json()
    for is_replication, expected in ((False, once), (True, again)):
        for cluster in (source, target):
            ends = [{"backup.cluster": cluster}, {"restore.cluster": cluster}]
            found = await shared.get(
                "kubemigrations",
                sort="-_updated",
                embedded='{"backup.cluster":1,"restore.cluster":1,"policy":1}',
                where=json.dumps({"is_replication": {"$eq": is_replication}, "$or": ends}),
            )
            (shown,) = found["_items"]
            assert (shown["_id"], shown["backup"]["cluster"]["_id"], shown["restore"]["cluster"]["_id"]) == (
                expected["_id"],
                source,
                target,
            )
            assert shown["status"] == {}
    assert again["policy"] == policy["_id"]
    used = await shared.api.delete(f"/api/v1/policies/{policy['_id']}")
    assert (used.status_code, f'migration "{again["name"]}"' in used.text.replace("\\", "")) == (422, True)


async def test_every_field_of_a_migration_is_echoed(shared):
    source, target = await two_clusters(shared)
    backup = {"cluster": source, "source": {"all_namespaces": True, "label_selector": {"a": "b"}}, "pre_hooks": [], "post_hooks": []}
    restore = {
        "cluster": target,
        "selection": {"all_namespaces": True},
        "namespaces_prefix": "x-",
        "namespaces_map": {"a": "b"},
        "storage_class_map": {"fast": "slow"},
        "options": {"preserve_node_ports": True},
        "post_hooks": [{"template": True, "namespaces": [], "hooks": ["3e53c290919354391c0dbd8c"]}],
    }
    made = (await a_migration(shared, source, target, backup=backup, restore=restore, pause=True, tags={"a": "b"}, description="x")).json()
    assert (made["backup"], made["restore"], made["pause"], made["tags"], made["description"]) == (backup, restore, True, {"a": "b"}, "x")


async def test_run_of_a_migration_is_not_pretended(shared):
    source, target = await two_clusters(shared)
    made = (await a_migration(shared, source, target)).json()
    response = await shared.post(f"kubemigrations/{made['_id']}/action/run")
    assert (response.status_code, made["name"] in response.json()["_error"]["message"]) == (501, True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"restore": {}}, "restore"),
        ({"restore": {"cluster": "f" * 24}}, "restore.cluster"),
        ({"backup": {"source": {"all_namespaces": True}}}, "backup"),
        ({"policy": "f" * 24}, "policy"),
        ({"backup_definition": {}}, "backup_definition"),
        ({"copydef": "f" * 24}, "copydef"),
        ({"is_replication": "yes"}, "is_replication"),
    ],
    ids=["no target", "unknown target", "no source", "unknown policy", "unknown field", "server's field", "flag"],
)
async def test_migration_that_makes_no_sense_is_refused(shared, changes, field):
    source, target = await two_clusters(shared)
    response = await a_migration(shared, source, target, **changes)
    assert (response.status_code, list(response.json()["_issues"])) == (422, [field]), response.text


async def test_migration_of_nothing_or_with_foreign_hooks_or_a_schedule_is_refused(shared):
    source, target = await two_clusters(shared)
    policy = await shared.make("policies", name=a_name(), schedules=[{"schedule": {"cronSpec": "0 1 * * *"}}])
    wrong_hook = {"template": True, "namespaces": [], "hooks": ["31aec27cc7ec62deab38d2a5"]}
    for changes, word in (
        ({"backup": {"cluster": source, "source": {}}}, "selects nothing"),
        ({"restore": {"cluster": target, "post_hooks": [wrong_hook]}}, "POST_RESTORE"),
        ({"policy": policy["_id"]}, "runs once"),
    ):
        response = await a_migration(shared, source, target, **changes)
        assert (response.status_code, word in response.text) == (422, True), response.text


async def test_migration_never_becomes_a_replication(shared):
    source, target = await two_clusters(shared)
    made = (await a_migration(shared, source, target)).json()
    path, etag = f"/api/v1/kubemigrations/{made['_id']}", {"If-Match": made["_etag"]}
    assert (await shared.api.patch(path, json={"is_replication": True}, headers=etag)).status_code == 422
    paused = await shared.api.patch(path, json={"pause": True, "restore": {"namespaces_suffix": "-new"}}, headers=etag)
    assert (paused.status_code, paused.json()["restore"]) == (200, {"cluster": target, "namespaces_suffix": "-new"})
    assert (await shared.api.delete(path)).status_code == 204
