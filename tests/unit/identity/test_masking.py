"""What the audit log keeps of a document: no secrets, and not too much."""

from __future__ import annotations

from typing import Any

import orjson
from cloudcasa_server.identity.masking import MASK, MAX_BYTES, bounded, masked
from cloudcasa_server.kit.rest import Resource
from hypothesis import given
from hypothesis import strategies as st

BOX = Resource(
    name="boxes",
    title="Box",
    noun="box",
    write_only=frozenset({"lock.code"}),
    hidden=frozenset({"inner"}),
    guarded={"view": "boxes.update"},
)


def test_masking_follows_the_declaration_and_names_that_sound_secret() -> None:
    document = {
        "_id": "1",
        "status": {"a": 1},
        "lock": {"code": "sealed", "brand": "x"},
        "inner": "deep",
        "view": "https://secret",
        "options": [{"Password": "p", "apiKey": "k", "keys": 3, "db_token": {"value": "t", "days": 3}}],
        "tags": {"aws_secret_access_key": "s", "private-key": "k", "owner": "ann", "is_secret": True},
        "azure": {"AccountKey": "k", "connectionString": "c", "pwd": "p", "storage_account_name": "a", "keyboard": "b"},
    }
    assert masked(document, BOX) == {
        "lock": {"code": MASK, "brand": "x"},
        "view": MASK,
        "options": [{"Password": MASK, "apiKey": MASK, "keys": 3, "db_token": {"value": MASK, "days": 3}}],
        "tags": {"aws_secret_access_key": MASK, "private-key": MASK, "owner": "ann", "is_secret": True},
        "azure": {"AccountKey": MASK, "connectionString": MASK, "pwd": MASK, "storage_account_name": "a", "keyboard": "b"},
    }
    assert masked(None, BOX) is None


TEXTS = st.integers(0, 40_000).map(lambda length: "x" * length)


@given(st.dictionaries(st.text(min_size=1, max_size=20), TEXTS | st.lists(TEXTS, max_size=3), max_size=8))
def test_what_is_kept_of_a_document_is_bounded(document: dict[str, Any]) -> None:
    kept = bounded(document)
    assert set(kept) == set(document)
    assert len(orjson.dumps(kept)) <= MAX_BYTES + 100 * len(document)
