"""Object stores beyond S3: Azure's fields as the Terraform provider sends them, and stores that only a cluster reaches (rest-api.md 2.4)."""

from __future__ import annotations

import json

import pytest
from cloudcasa_server.object_store.providers.azure_blob import AzureTarget

from tests.support.server import a_store_body

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINCIPAL = {
    "subscription_id": "00000000-0000-0000-0000-0000000000aa",
    "tenant_id": "00000000-0000-0000-0000-0000000000bb",
    "client_id": "00000000-0000-0000-0000-0000000000cc",
    "client_secret": "xyz-s3cr3t",
}


@pytest.fixture
def server(lent):
    return lent


def an_azure_body(**provider):
    """Return the body of rest-api-examples.md 1, with changes inside s3provider."""
    s3provider = {
        "credentials": PRINCIPAL,
        "cloud": "Public",
        "resource_group_name": "rg-lab",
        "storage_account_name": "labstore",
    }
    return {"name": "blob-lab", "private": False, "provider_type": "azure", "region": "eastus", "s3provider": s3provider | provider}


async def refusal(server, body, *, probed=0):
    response = await server.post("objectstores", **body)
    assert response.status_code == 422, response.text
    assert (await server.get("objectstores"))["_meta"]["total"] == 0
    assert len(server.probe.targets) == probed
    return response.json()["_error"]["message"]


async def test_azure_store_is_echoed_without_its_credentials(server):
    store = await server.make("objectstores", **an_azure_body())
    shown = {key: value for key, value in an_azure_body()["s3provider"].items() if key != "credentials"}
    assert store["s3provider"] == shown
    assert {key: store[key] for key in ("name", "private", "provider_type", "region")} == {
        key: an_azure_body()[key] for key in ("name", "private", "provider_type", "region")
    }
    assert store["validate_state"] == "READY"
    assert "do not write to Azure yet" in store["validate_message"]
    answers = [store, await server.get(f"objectstores/{store['_id']}"), await server.get("objectstores")]
    assert not [value for value in PRINCIPAL.values() if value in json.dumps(answers)]


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ({}, "https://labstore.blob.core.windows.net"),
        ({"cloud": "Government"}, "https://labstore.blob.core.usgovcloudapi.net"),
        ({"endpoint": "blob.stack.example"}, "https://blob.stack.example"),
        ({"endpoint": "https://blob.stack.example:8443/labstore/"}, "https://blob.stack.example:8443/labstore"),
    ],
    ids=["public", "government", "own host", "own host with account"],
)
async def test_azure_store_is_probed_where_its_cloud_has_it(server, provider, url):
    await server.make("objectstores", **an_azure_body(**provider))
    (target,) = server.probe.targets
    assert isinstance(target, AzureTarget)
    assert (target.url, target.container, target.is_container_given) == (url, "cloudcasa", False)
    assert target.principal.host == ("login.microsoftonline.us" if "cloud" in provider else "login.microsoftonline.com")
    assert target.principal.client_secret.get_secret_value() == PRINCIPAL["client_secret"]


@pytest.mark.parametrize(
    ("provider", "word"),
    [
        ({"credentials": {}}, "credentials and permissions"),
        ({"credentials": PRINCIPAL | {"tenant_id": ""}}, "tenant_id"),
        ({"credentials": PRINCIPAL | {"tenant_id": "../../evil"}}, "tenant_id"),
        ({"credentials": {"access_key": "a", "secret_key": "b"}}, "access_key"),
        ({"storage_account_name": "Lab-Store"}, "storage_account_name"),
        ({"storage_account_name": "evil.example/x"}, "storage_account_name"),
        ({"resource_group_name": ""}, "resource_group_name"),
        ({"cloud": "Mars"}, "cloud"),
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": "http://blob.example"}, "service principal"),
        ({"zone": "1"}, "zone"),
    ],
)
async def test_azure_store_that_makes_no_sense_is_refused_before_it_is_probed(server, provider, word):
    message = await refusal(server, an_azure_body(**provider))
    assert word in message
    assert PRINCIPAL["client_secret"] not in message


@pytest.mark.parametrize("missing", ["storage_account_name", "resource_group_name"])
async def test_azure_store_without_its_account_or_group_is_refused(server, missing):
    body = an_azure_body()
    del body["s3provider"][missing]
    assert f"s3provider.{missing}" in await refusal(server, body)


async def test_azure_store_needs_a_region(server):
    body = an_azure_body()
    del body["region"]
    assert "region" in await refusal(server, body)


async def test_storage_account_twice_is_refused_and_other_accounts_are_not(server):
    await server.make("objectstores", **an_azure_body())
    again = await server.post("objectstores", **(an_azure_body() | {"name": "other"}))
    assert again.status_code == 422
    assert '"labstore" is registered already' in again.json()["_error"]["message"]
    assert len(server.probe.targets) == 1
    await server.make("objectstores", **(an_azure_body(storage_account_name="second") | {"name": "second"}))
    await server.make("objectstores", **(an_azure_body() | {"name": "third", "bucket_name": "container"}))
    await server.a_store("s3")


@pytest.mark.parametrize("change", [{"storage_account_name": "elsewhere"}, {"cloud": "Government"}, {"endpoint": "https://evil.example"}])
async def test_stored_azure_credentials_go_nowhere_else(server, change):
    store = await server.make("objectstores", **an_azure_body())
    body = an_azure_body(**change)
    del body["s3provider"]["credentials"]
    headers = {"If-Match": store["_etag"]}
    response = await server.api.put(f"/api/v1/objectstores/{store['_id']}", json=body, headers=headers)
    assert response.status_code == 422
    assert "credentials" in response.json()["_error"]["message"]
    assert len(server.probe.targets) == 1


async def test_put_without_credentials_keeps_those_of_azure(server):
    store = await server.make("objectstores", **an_azure_body())
    body = an_azure_body() | {"tags": {"team": "blue"}}
    del body["s3provider"]["credentials"]
    response = await server.api.put(f"/api/v1/objectstores/{store['_id']}", json=body, headers={"If-Match": store["_etag"]})
    assert response.status_code == 200, response.text
    kept = server.parts.stores.credentials(await server.parts.stores.documents.get(store["_id"]))
    assert kept == PRINCIPAL


async def test_run_to_azure_fails_and_says_so_on_job_and_definition(server):
    store = await server.make("objectstores", **an_azure_body())
    cluster = await server.a_cluster(backup_provider={"user_objectstore": store["_id"]})
    async with (await server.an_agent(cluster)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        offload = await server.make(
            "kubeoffloads", name="web", backupdef=backup["_id"], offload_provider={"user_objectstore": store["_id"]}
        )
        await server.act(f"kubeoffloads/{offload['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
        assert job["state"] == "FAILED"
        assert '"blob-lab"' in job["message"]
        assert "do not write to Azure yet" in job["message"]
        shown = await server.get(f"kubeoffloads/{offload['_id']}")
        assert (shown["status"]["state"], shown["status"]["message"]) == ("FAILED", job["message"])
        assert not agent.of_kind("backup.run")


async def test_private_store_is_not_probed_and_proven_by_its_first_backup(server):
    cluster = await server.a_cluster()
    private = {"private": True, "proxy_cluster_list": [cluster["_id"]]}
    store = await server.make("objectstores", **(a_store_body() | private))
    assert not server.probe.targets
    assert (store["validate_state"], store["proxy_cluster_list"]) == ("VALIDATING", [cluster["_id"]])
    assert store["validate_message"] == 'Not tried out yet: "prod-eu" has not been ACTIVE yet.'
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"
    proven = await server.get(f"objectstores/{store['_id']}")
    assert (proven["validate_state"], proven["validate_message"], proven["_etag"]) == ("READY", "", store["_etag"])


async def test_store_that_stops_being_private_is_probed(server):
    cluster = await server.a_cluster()
    store = await server.make("objectstores", **(a_store_body() | {"private": True, "proxy_cluster_list": [cluster["_id"]]}))
    headers = {"If-Match": store["_etag"]}
    opened = await server.api.put(f"/api/v1/objectstores/{store['_id']}", json=a_store_body(), headers=headers)
    assert opened.json()["validate_state"] == "READY"
    assert len(server.probe.targets) == 1


async def test_vendor_storage_is_an_empty_list(server):
    assert await server.get("objectstores/provider-info") == {"_items": []}
