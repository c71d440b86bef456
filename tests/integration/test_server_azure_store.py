"""The proof of an Azure object store, against the real Azurite over TLS: what is wrong is named, and nothing is left behind."""

from __future__ import annotations

import base64
import socket

import pytest
from azure.storage.blob import BlobServiceClient
from cloudcasa_server.object_store.probe import ProbeError, TimedProbe
from cloudcasa_server.object_store.providers.aws import S3Target
from cloudcasa_server.object_store.providers.azure_blob import AzureTarget, ServicePrincipal
from cloudcasa_server.object_store.reading import Ask, read
from pydantic import SecretStr

from tests.support.azure import ACCOUNT, Azure, azure
from tests.support.server import a_server

BUDGET = 7.0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with azure(tmp_path_factory.mktemp("azure")) as running:
        yield running


@pytest.fixture
def blobs(place):
    """Azurite's content, emptied after each test."""
    with BlobServiceClient(
        place.endpoint, {"account_name": ACCOUNT, "account_key": place.account_key}, connection_verify=str(place.ca_file)
    ) as service:
        yield service
        for container in list(service.list_containers()):
            service.delete_container(container.name)


def content(blobs) -> dict[str, list[str]]:
    return {each.name: list(blobs.get_container_client(each.name).list_blob_names()) for each in blobs.list_containers()}


def principal(place: Azure, **changes) -> ServicePrincipal:
    fields = {
        "cloud": "Public",
        "tenant_id": place.tenant_id,
        "client_id": place.client_id,
        "client_secret": SecretStr(place.client_secret),
        "authority": place.authority,
        "authority_ca_file": str(place.ca_file),
    }
    return ServicePrincipal(**(fields | changes))


def target(place: Azure, **changes) -> AzureTarget:
    fields = {
        "endpoint": place.endpoint,
        "account": ACCOUNT,
        "container": "cloudcasa",
        "is_container_given": False,
        "prefix": "some/prefix",
        "account_key": SecretStr(place.account_key),
        "principal": None,
        "ca_pem": place.ca_file.read_text(),
        "skip_tls_verification": False,
    }
    return AzureTarget(**(fields | changes))


async def test_store_whose_container_is_not_there_yet_passes_and_nothing_stays(place, blobs):
    await TimedProbe(BUDGET)(target(place))
    assert content(blobs) == {}


@pytest.mark.parametrize("is_given", [True, False], ids=["named", "the default"])
async def test_store_with_its_container_passes_and_is_left_as_it_was(place, blobs, is_given):
    blobs.create_container("cloudcasa").upload_blob("ours", b"1")
    await TimedProbe(BUDGET)(target(place, is_container_given=is_given))
    assert content(blobs) == {"cloudcasa": ["ours"]}


async def test_service_principal_logs_in_and_passes(place, blobs):
    await TimedProbe(BUDGET)(target(place, account_key=None, principal=principal(place)))
    assert content(blobs) == {}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
async def test_untrusted_certificate_passes_when_verification_is_skipped(place, blobs):
    await TimedProbe(BUDGET)(target(place, ca_pem=None, skip_tls_verification=True))
    assert content(blobs) == {}


@pytest.mark.parametrize(
    ("change", "words", "field"),
    [
        ({"account_key": SecretStr("d3Jvbmc=")}, "credentials and permissions", "s3provider.credentials"),
        ({"account_key": SecretStr("not base64")}, "credentials and permissions", "s3provider.credentials"),
        ({"container": "missing", "is_container_given": True}, '"missing"', "bucket_name"),
        ({"ca_pem": None}, "TLS certificate is not trusted", "s3provider.endpoint"),
        ({"endpoint": "https://127.0.0.1:9/labstore"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
        ({"endpoint": "https://labstore.invalid"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
        ({"endpoint": "https://192.0.2.1"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
    ],
    ids=["key", "malformed key", "container", "untrusted", "refused", "no such host", "silent"],
)
async def test_bad_account_is_told_apart(place, blobs, change, words, field):
    with pytest.raises(ProbeError) as caught:
        await TimedProbe(BUDGET)(target(place, **change))
    assert words in caught.value.text
    assert caught.value.field == field
    assert content(blobs) == {}
    assert "not base64" not in caught.value.text


@pytest.mark.parametrize("kind", ["azure", "aws"])
async def test_store_that_takes_connections_and_never_answers_is_given_up(place, kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"access_key": SecretStr("a"), "secret_key": SecretStr("b")}
        s3 = S3Target(endpoint, "bucket", "", "us-east-1", **keys, ca_pem=None, skip_tls_verification=False)
        with pytest.raises(ProbeError, match="Could not connect to the endpoint URL") as caught:
            await TimedProbe(0.5)(s3 if kind == "aws" else target(place, endpoint=f"{endpoint}/{ACCOUNT}"))
    assert "did not answer within" in caught.value.text


@pytest.mark.parametrize(
    ("change", "words", "field"),
    [
        ({"client_secret": SecretStr("wrong")}, "credentials and permissions", "s3provider.credentials"),
        ({"client_id": "nobody"}, "AADSTS7000215", "s3provider.credentials"),
        ({"authority": "https://127.0.0.1:9"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
        ({"authority_ca_file": ""}, "TLS certificate is not trusted", "s3provider.endpoint"),
    ],
    ids=["secret", "application", "login away", "login untrusted"],
)
async def test_login_that_fails_is_told_apart(place, blobs, change, words, field):
    with pytest.raises(ProbeError) as caught:
        await TimedProbe(BUDGET)(target(place, account_key=None, principal=principal(place, **change)))
    assert words in caught.value.text
    assert caught.value.field == field
    assert place.client_secret not in caught.value.text


async def test_azure_store_is_registered_through_the_api(place, blobs, tmp_path):
    provider = {
        "resource_group_name": "rg",
        "storage_account_name": ACCOUNT,
        "endpoint": place.endpoint,
        "credentials": {"account_key": place.account_key},
    }
    body = {
        "name": "blob",
        "provider_type": "azure",
        "region": "eastus",
        "s3provider": provider,
        "ca_pem": place.ca_file.read_text(),
    }
    async with a_server(tmp_path / "data", probe=TimedProbe(BUDGET)) as server:
        wrong = provider | {"credentials": {"account_key": "d3Jvbmc="}}
        refused = await server.post("objectstores", **(body | {"s3provider": wrong}))
        assert refused.status_code == 422
        assert "credentials and permissions" in refused.json()["_error"]["message"]
        assert (await server.get("objectstores"))["_meta"]["total"] == 0
        made = await server.make("objectstores", **body)
        assert made["validate_state"] == "READY"
        assert place.account_key not in str(made)
    assert content(blobs) == {}


async def test_metadata_is_listed_and_read_below_the_prefix(place, blobs):
    container = blobs.create_container("cloudcasa")
    for key in ("some/prefix/c1/backups/b-1/a", "some/prefix/c1/backups/b-2/a", "some/prefix/c2/kopia/web/x", "elsewhere/c3/y"):
        container.upload_blob(key, key.encode())
    container.upload_blob("some/prefix/c1/empty", b"")
    ask = Ask(
        folders=("", "c1/backups/", "c9/"),
        listings=("c1/backups/b-1/", "c9/"),
        objects=("c1/backups/b-1/a", "c1/empty", "c1/none"),
    )
    found = await read(target(place), ask)
    assert found.folders == {"": ("c1", "c2"), "c1/backups/": ("b-1", "b-2"), "c9/": ()}
    assert found.listings == {"c1/backups/b-1/": ("c1/backups/b-1/a",), "c9/": ()}
    contents = {key: base64.b64decode(body) for key, body in found.objects.items()}
    assert contents == {"c1/backups/b-1/a": b"some/prefix/c1/backups/b-1/a", "c1/empty": b""}
    assert found.problems == {}


async def test_reading_a_container_that_is_not_there_says_so(place, blobs):
    with pytest.raises(ProbeError, match="There is no container"):
        await read(target(place), Ask(folders=("",)))
