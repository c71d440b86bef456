"""The twelve steps of a module with state: each of create, modify and remove is predicted, done, and then found to be done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.collection.modules import Runner

pytestmark = pytest.mark.unit

STORE = {"bucket": "bucket", "endpoint": "https://s3.example", "access_key": "AKTEST", "secret_key": "hush-hush-hush"}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cluster": ({"description": "first"}, {"description": "second", "tags": {"year": 2026}}),
    "object_store": (STORE, {"prefix": "below", "tags": {"env": "test"}}),
    "backup": (
        {"cluster": "twelve", "namespaces": ["web"], "copy": True},
        {"cluster": "twelve", "namespaces": ["web", "db"], "copy_settings": {"pvc_parallelism": 4}, "copy_delete_snapshots": False},
    ),
}


@pytest.fixture
def module_name(request: pytest.FixtureRequest, modules: Runner) -> str:
    if request.param == "backup":
        modules("cluster", name="twelve")
    return str(request.param)


@pytest.mark.parametrize("module_name", CASES, indirect=True)
def test_twelve_steps(modules: Runner, module_name: str) -> None:
    created, modified = CASES[module_name]
    wishes = [{**created, "state": "present"}, {**created, **modified, "state": "present"}, {"state": "absent"}]
    for wish in wishes:
        for is_changed in (True, False):
            options = {"name": f"of-{module_name}", **wish}
            assert modules(module_name, check=True, **options)["changed"] is is_changed, ("check", wish)
            assert modules(module_name, **options)["changed"] is is_changed, wish


def test_option_that_is_left_out_stays_as_it_is(modules: Runner) -> None:
    modules("cluster", name="kept", description="for good")
    assert modules("cluster", name="kept", tags={"a": "b"})["cluster"]["description"] == "for good"


def test_check_mode_of_a_whole_play_takes_earlier_tasks_as_done(modules: Runner) -> None:
    assert modules("cluster", name="planned", object_store="planned", check=True)["changed"]
    assert modules("backup", name="planned", cluster="planned", all_namespaces=True, copy=True, copy_object_store="planned", check=True)[
        "changed"
    ]
    assert modules("backup_run", backup="planned", check=True)["changed"]
    assert modules("restore", backup="planned", check=True)["changed"]
    assert modules("cluster_info", name="planned")["clusters"] == []


def test_cluster_has_its_agent_url_at_once(modules: Runner) -> None:
    made = modules("cluster", name="with-url")
    assert made["agent_url"] == made["cluster"]["status"]["agentURL"]
    assert made["cluster"]["status"]["state"] == "REGISTERED"


def test_cluster_is_found_by_its_id_and_keeps_its_name(modules: Runner) -> None:
    made = modules("cluster", name="by-id")["cluster"]
    changed = modules("cluster", name=made["id"], description="new")
    assert (changed["cluster"]["name"], changed["cluster"]["id"]) == ("by-id", made["id"])


def test_default_object_store_is_set_by_name_and_taken_away(modules: Runner) -> None:
    store = modules("object_store", name="default", **STORE)["object_store"]
    made = modules("cluster", name="with-store", object_store="default")["cluster"]
    assert made["backup_provider"] == {"user_objectstore": store["id"]}
    assert not modules("cluster", name="with-store", object_store="default")["changed"]
    assert not modules("cluster", name="with-store", object_store="")["cluster"].get("backup_provider")


def test_diff_shows_before_and_after(modules: Runner) -> None:
    modules("cluster", name="differs", description="old")
    diff = modules("cluster", name="differs", description="new", check=True)["diff"]
    assert (diff["before"]["description"], diff["after"]["description"]) == ("old", "new")


def test_secret_key_is_in_no_result(modules: Runner) -> None:
    for check in (True, False):
        made = modules("object_store", name="secretive", check=check, **STORE)
        assert STORE["secret_key"] not in str(made)


def test_credentials_are_sent_again_only_when_asked(modules: Runner) -> None:
    modules("object_store", name="keys", **STORE)
    assert not modules("object_store", name="keys", **{**STORE, "secret_key": "another-one"})["changed"]
    assert modules("object_store", name="keys", **STORE, update_credentials="always")["changed"]


def test_backup_with_copy_is_two_linked_documents(modules: Runner, rest: Any) -> None:
    modules("cluster", name="linked")
    made = modules("backup", name="linked", cluster="linked", namespaces=["web"], copy=True)
    assert made["backup"]["copydef"] == made["copy"]["id"]
    assert made["copy"]["backupdef"] == made["backup"]["id"]
    assert made["backup"]["trigger_type"] == "ADHOC"
    again = modules("backup", name="linked", cluster="linked", copy=False)
    assert again["changed"]
    assert "copydef" not in again["backup"]
    assert rest.find("kubeoffloads", {"name": "linked"}) == []


def test_copy_can_be_added_to_a_backup_later(modules: Runner) -> None:
    modules("cluster", name="later")
    assert not modules("backup", name="later", cluster="later", namespaces=["web"])["copy"]
    assert modules("backup", name="later", cluster="later", copy=True)["backup"]["copydef"]
    assert not modules("backup", name="later", cluster="later", namespaces=["web"], copy=True)["changed"]


def test_backup_is_not_left_half_made_when_its_copy_is_refused(modules: Runner, rest: Any) -> None:
    modules("cluster", name="half")
    failed = modules.fail("backup", name="half", cluster="half", namespaces=["web"], copy_object_store="no-such-store")
    assert "no-such-store" in failed["msg"]
    assert rest.find("kubebackups", {"name": "half"}) == []
