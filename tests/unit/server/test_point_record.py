"""What lies in the bucket of a recovery point: everything that makes it again, and nothing that is believed unread."""

from __future__ import annotations

import json

import pytest
from cloudcasa_contract.commands import RECORD_ANNOTATION
from cloudcasa_server.recovery_point.model import point_id
from cloudcasa_server.recovery_point.record import MAX_CHARACTERS, Record, read_record, record_of

CLUSTER, JOB, DEFINITION = "65aa00000000000000000010", "65aa000000000000000000f1", "65aa00000000000000000031"


def a_job(**changes):
    source = changes.pop("source", {"namespaces": ["web"]})
    return {
        "_id": JOB,
        "cluster": CLUSTER,
        "cluster_name": "prod-eu",
        "type": "K8S_COPY",
        "start_time": 1_764_000_000,
        "backupdef": DEFINITION,
        "backupdef_name": "web",
        "retention": {"retainDays": 7, "numAlwaysRetain": 3, "locked": True},
        "script": {"data": {"source": source}},
    } | changes


def read(text: str) -> Record | None:
    return read_record({RECORD_ANNOTATION: text}, key=RECORD_ANNOTATION)


def test_record_comes_back_as_it_was_written():
    record = read(record_of(a_job(offloaddef="65aa00000000000000000041", offloaddef_name="web copy", policy_id="65aa00000000000000000051")))
    assert record is not None
    assert record.model_dump(mode="json") == {
        "version": 1,
        "cluster": {"id": CLUSTER, "name": "prod-eu"},
        "job": JOB,
        "type": "K8S_COPY",
        "start_time": 1_764_000_000,
        "backupdef": {"id": DEFINITION, "name": "web"},
        "offloaddef": {"id": "65aa00000000000000000041", "name": "web copy"},
        "policy_id": "65aa00000000000000000051",
        "retention": {"retainDays": 7, "numAlwaysRetain": 3, "locked": True},
        "source": {"namespaces": ["web"]},
    }


@pytest.mark.parametrize("name", ['"; drop', "ü – 備份", "<script>", "{backup}", "line\nbreak", "x" * 128])
def test_odd_names_survive(name):
    record = read(record_of(a_job(cluster_name=name, backupdef_name=name)))
    assert record is not None
    assert (record.cluster.name, record.backupdef.name) == (name, name)


def test_selection_too_long_for_an_annotation_is_left_out_and_the_rest_stays():
    text = record_of(a_job(source={"namespaces": [f"namespace-{number}" for number in range(9_000)]}))
    assert len(text) < MAX_CHARACTERS
    record = read(text)
    assert record is not None
    assert (record.source, record.backupdef.name) == (None, "web")


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{", "{}", "\x00", "9" * 5000, "[" * 3000),
        json.dumps(json.loads(record_of(a_job())) | {"job": "../../etc"}),
        json.dumps(json.loads(record_of(a_job())) | {"retention": {"retainDays": 10**9}}),
        json.dumps(json.loads(record_of(a_job())) | {"start_time": -1}),
        json.dumps(json.loads(record_of(a_job())) | {"cluster": {"id": CLUSTER, "name": " "}}),
        json.dumps(json.loads(record_of(a_job())) | {"type": "DROP"}),
    ],
)
def test_what_cannot_be_believed_is_no_record(text):
    assert read(text) is None


def test_record_of_a_newer_server_is_read_for_what_is_known():
    newer = json.loads(record_of(a_job())) | {"version": 2, "colour": "blue"}
    record = read(json.dumps(newer))
    assert record is not None
    assert record.version == 2


def test_point_has_one_id_wherever_it_is_made():
    assert point_id(CLUSTER, "cc-1") == point_id(CLUSTER, "cc-1")
    assert len({point_id(CLUSTER, "cc-1"), point_id(CLUSTER, "cc-2"), point_id(JOB, "cc-1")}) == 3
