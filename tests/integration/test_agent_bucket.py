"""The agent's own way to a bucket, against a real S3 server behind TLS by a private CA."""

from __future__ import annotations

import os

import pytest
from cloudcasa_agent.velero.bucket import open_bucket
from cloudcasa_agent.velero.errors import BucketError, StorageUnreachableError
from cloudcasa_agent.velero.storage_probe import probe_storage

from tests.support.s3_tls import private_s3


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with private_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


async def keys_of(s3):
    async with open_bucket(s3.target()) as bucket:
        return set(await bucket.keys())


async def test_objects_are_written_listed_read_and_deleted_below_the_prefix(s3):
    async with open_bucket(s3.target(prefix="store/ä cluster+1")) as bucket:
        for key in ("backups/b 1/velero-backup.json", "backups/b-2/x?&=%.gz", "kopia/ns/_log"):
            await bucket.put(key, key.encode())
        assert await bucket.keys("backups/") == ("backups/b 1/velero-backup.json", "backups/b-2/x?&=%.gz")
        assert await bucket.folders() == ("backups", "kopia")
        assert await bucket.folders("backups/") == ("b 1", "b-2")
        assert await bucket.get("backups/b-2/x?&=%.gz") == b"backups/b-2/x?&=%.gz"
        for key in await bucket.keys():
            await bucket.delete(key)
        assert await bucket.keys() == ()


async def test_listing_goes_on_after_a_page(s3, monkeypatch):
    monkeypatch.setattr("cloudcasa_agent.velero.bucket._PAGE", 3)
    async with open_bucket(s3.target(prefix="pages")) as bucket:
        wanted = tuple(f"k{number}" for number in range(7))
        for key in wanted:
            await bucket.put(key, b"")
        assert await bucket.keys() == wanted
        assert await bucket.keys(limit=2) == wanted[:2]


async def test_missing_object_is_told_from_one_that_is_refused(s3):
    async with open_bucket(s3.target()) as bucket:
        with pytest.raises(BucketError, match="404") as caught:
            await bucket.get("nothing")
        await bucket.delete("nothing")
    assert caught.value.is_missing
    async with open_bucket(s3.target(secret_key="wrong")) as bucket:
        with pytest.raises(BucketError, match="SignatureDoesNotMatch") as caught:
            await bucket.get("nothing")
    assert not caught.value.is_missing


async def test_object_that_is_too_large_is_not_read_whole(s3):
    async with open_bucket(s3.target()) as bucket:
        await bucket.put("large", os.urandom(500_000))
        with pytest.raises(Exception, match="too large"):
            await bucket.get("large", max_bytes=100)


async def test_good_store_passes_the_probe_and_is_left_as_it_was(s3):
    before = await keys_of(s3)
    await probe_storage(s3.target(prefix="some/prefix"))
    assert await keys_of(s3) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"secret_key": "wrong"}, "SignatureDoesNotMatch", id="secret"),
        pytest.param({"access_key": "nobody"}, "InvalidAccessKeyId", id="access key"),
        pytest.param({"bucket": "no-such-bucket"}, "NoSuchBucket", id="bucket"),
        pytest.param({"endpoint": "http://127.0.0.1:9"}, "could not be reached", id="refused"),
        pytest.param({"endpoint": "https://store.invalid"}, "could not be reached", id="no such host"),
        pytest.param({"ca_pem": None}, "certificate is not trusted", id="unknown CA"),
        pytest.param({"ca_pem": "garbage"}, "CA certificate", id="no CA"),
    ],
)
async def test_bad_store_fails_the_probe_with_the_reason(s3, change, words):
    with pytest.raises(StorageUnreachableError, match=words) as caught:
        await probe_storage(s3.target(**change))
    assert 'Cannot use object store "private"' in caught.value.text
    assert s3.root.secret_key not in caught.value.text
