"""Cloud accounts are kept; the callback from a cloud needs no token and an address that nobody can guess (rest-api.md 2.14)."""

from __future__ import annotations

from itertools import count

import pytest
import structlog

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


async def an_account(shared, **changes):
    return await shared.make("cloudaccounts", **({"name": f"account-{next(_numbers)}", "provider_type": "gcp"} | changes))


async def call_back(shared, url, **body):
    assert url.startswith(shared.url)
    return await shared.api.post(url, json=body, headers={"Authorization": ""})


async def test_new_account_is_pending_and_says_why(shared):
    account = await an_account(shared, description="the shop", tags={"a": "b"})
    assert (account["status"]["state"], account["status"]["inventory"]) == ("PENDING", {"state": "PENDING"})
    assert "cannot read clouds yet" in account["status"]["message"]
    assert "callback" not in account


async def test_callback_of_a_deployment_is_recorded_and_the_state_stays_true(shared):
    account = await an_account(shared)
    body = {"project_id": "p-1", "project_name": "Shop", "template_version": "3", "deployment_name": "d"}
    response = await call_back(shared, account["status"]["moveToActiveURL"], **body, unheard_of=1)
    assert (response.status_code, response.json()["_status"], response.json()["status"]["state"]) == (200, "OK", "PENDING")
    assert "moveToActiveURL" not in response.text
    shown = await shared.get(f"cloudaccounts/{account['_id']}")
    assert body.items() <= shown["status"]["gcp"].items()
    assert isinstance(shown["status"]["gcp"]["move_to_active_callback_timestamp"], int)
    assert (shown["_etag"], shown["status"]["state"]) == (account["_etag"], "PENDING")
    assert (await call_back(shared, account["status"]["moveToActiveURL"])).status_code == 200


async def test_callback_with_a_guessed_address_is_not_there(shared):
    account, other = await an_account(shared), await an_account(shared)
    token = other["status"]["moveToActiveURL"].rsplit("/", 3)[1].partition(".")[2]
    for guess in (
        account["_id"],
        f"{account['_id']}.",
        f"{account['_id']}.{'x' * 43}",
        f"{account['_id']}.{token}",
        "x",
        f"{'f' * 24}.{token}",
    ):
        response = await call_back(shared, f"{shared.url}/api/v1/cloudaccounts/{guess}/action/move-to-active", project_id="evil")
        assert response.status_code == 404, guess
    assert "gcp" not in (await shared.get(f"cloudaccounts/{account['_id']}"))["status"]


@pytest.mark.parametrize("body", [{"project_id": 1}, {"project_id": "x" * 300}, {"project_id": {"a": 1}}], ids=["number", "long", "object"])
async def test_callback_that_cannot_be_read_is_refused(shared, body):
    account = await an_account(shared)
    response = await call_back(shared, account["status"]["moveToActiveURL"], **body)
    assert (response.status_code, list(response.json()["_issues"])) == (422, ["project_id"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"provider_type": "ibm"}, "provider_type"),
        ({"provider_type": "aws", "gcp": {"a": 1}}, "leave gcp out"),
        ({"callback": "x"}, "callback"),
    ],
    ids=["provider", "foreign settings", "server's field"],
)
async def test_account_that_makes_no_sense_is_refused(shared, changes, word):
    response = await shared.post("cloudaccounts", **({"name": "refused", "provider_type": "gcp"} | changes))
    assert (response.status_code, word in response.text) == (422, True)


async def test_account_is_filtered_changed_and_deleted(shared):
    account = await an_account(shared, provider_type="aws", aws={"awsaccount": "123"})
    found = await shared.get("cloudaccounts", where='{"provider_type":"aws"}')
    assert [each["_id"] for each in found["_items"]] == [account["_id"]]
    path, etag = f"/api/v1/cloudaccounts/{account['_id']}", {"If-Match": account["_etag"]}
    changed = await shared.api.put(path, json={"name": account["name"], "provider_type": "aws"}, headers=etag)
    assert (changed.status_code, changed.json()["status"], "aws" in changed.json()) == (200, account["status"], False)
    assert (await shared.api.delete(path)).status_code == 204
    assert (await call_back(shared, account["status"]["moveToActiveURL"])).status_code == 404


@pytest.mark.parametrize("name", ["cloudtasks", "veleroinstances", "velerobsls", "velerovsls"])
async def test_collections_that_the_server_fills_later_are_empty_and_read_only(shared, name):
    assert (await shared.get(name, where='{"name":"x"}', sort="-_updated"))["_meta"]["total"] == 0
    assert (await shared.post(name, name="x")).status_code == 405
    assert (await shared.api.get(f"/api/v1/{name}/{'f' * 24}")).status_code == 404


@pytest.mark.parametrize(
    "name", ["awsaccounts", "awsrdsdatabases", "securityscans", "kubehunterresults", "chargifycustomers", "userstates", "runsecurityscan"]
)
async def test_what_is_out_of_scope_is_not_there(shared, name):
    response = await shared.api.get(f"/api/v1/{name}")
    assert (response.status_code, response.json()["_status"]) == (404, "ERR")


async def test_embedding_of_what_is_out_of_scope_is_tolerated(shared):
    found = await shared.get(
        "jobs", embedded='{"backupdef":1,"restoredef":1,"awsrds.copydef":1}', where='{"display_type":{"$exists":true}}'
    )
    assert found["_meta"]["total"] == 0


async def test_secrets_in_addresses_stay_out_of_the_log(shared):
    account = await an_account(shared)
    with structlog.testing.capture_logs() as logged:
        await call_back(shared, account["status"]["moveToActiveURL"])
    secret = account["status"]["moveToActiveURL"].rpartition("/action/")[0].rpartition(".")[2]
    assert logged
    assert not [line for line in logged if secret in str(line)]
