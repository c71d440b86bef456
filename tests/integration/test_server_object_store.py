"""The proof of an object store, against a real S3 server: what is wrong is named, and nothing is left behind."""

from __future__ import annotations

import time

import boto3
import pytest
from botocore.config import Config
from cloudcasa_server.object_store.probe import ProbeError, TimedProbe
from cloudcasa_server.object_store.providers.aws import S3Target
from pydantic import SecretStr

from tests.support.server import a_server

BUDGET = 7.0


def target(s3, **changes) -> S3Target:
    fields = {
        "endpoint": s3.endpoint,
        "bucket": s3.bucket,
        "prefix": "some/prefix",
        "region": s3.region,
        "access_key": SecretStr(s3.access_key),
        "secret_key": SecretStr(s3.secret_key),
        "ca_pem": None,
        "skip_tls_verification": True,
    }
    return S3Target(**(fields | changes))


def keys_of(s3) -> set[str]:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
        verify=False,
        config=Config(s3={"addressing_style": "path"}),
    )
    return {each["Key"] for each in client.list_objects_v2(Bucket=s3.bucket).get("Contents", [])}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
async def test_good_store_passes_and_is_left_as_it_was(s3):
    before = keys_of(s3)
    await TimedProbe(BUDGET)(target(s3))
    assert keys_of(s3) == before


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize(
    ("change", "words", "field"),
    [
        ({"secret_key": SecretStr("wrong")}, "credentials and permissions", "s3provider.credentials"),
        ({"access_key": SecretStr("nobody")}, "credentials and permissions", "s3provider.credentials"),
        ({"bucket": "no-such-bucket"}, '"no-such-bucket"', "bucket_name"),
        ({"endpoint": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
        ({"endpoint": "https://store.invalid"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
        ({"endpoint": "http://192.0.2.1"}, "Could not connect to the endpoint URL", "s3provider.endpoint"),
    ],
    ids=["secret", "access key", "bucket", "refused", "no such host", "silent"],
)
async def test_bad_store_is_told_apart_within_the_budget(s3, change, words, field):
    began = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        await TimedProbe(BUDGET)(target(s3, **change))
    assert words in caught.value.text
    assert caught.value.field == field
    assert time.monotonic() - began < BUDGET + 1


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
async def test_store_is_registered_through_the_api(s3, tmp_path):
    async with a_server(tmp_path / "data", probe=TimedProbe(BUDGET)) as server:
        body = {
            "name": "lab",
            "bucket_name": s3.bucket,
            "region": s3.region,
            "skip_tls_certificate_validation": True,
            "s3provider": {"endpoint": s3.endpoint, "credentials": {"access_key": s3.access_key, "secret_key": s3.secret_key}},
        }
        wrong = body | {"s3provider": {"endpoint": s3.endpoint, "credentials": {"access_key": s3.access_key, "secret_key": "wrong"}}}
        refused = await server.post("objectstores", **wrong)
        assert refused.status_code == 422
        assert "credentials and permissions" in refused.json()["_error"]["message"]
        assert (await server.get("objectstores"))["_meta"]["total"] == 0
        assert (await server.make("objectstores", **body))["validate_state"] == "READY"
