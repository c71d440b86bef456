"""Two clusters, one server, one object store: what one backs up, the other restores."""

from __future__ import annotations

import pytest

from tests.support.protected import Pair

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_second_cluster_is_protected_by_the_same_server_and_reaches_its_store(pair: Pair) -> None:
    """Its agent is ACTIVE over the cable, and a backup of it lands in the store of the first lab."""
    pair.far.kubectl("create", "namespace", "far-away")
    pair.far.kubectl("-n", "far-away", "create", "configmap", "note", "--from-literal=text=kept")
    job = pair.far.client.wait_for_job(pair.far.run(pair.far.define_backup("far-away")))
    assert job["state"] == "COMPLETED", job
    assert pair.far.recovery_point(job["_id"])["cluster"] == pair.far.cluster_id
    pair.far.kubectl("delete", "namespace", "far-away", "--wait=false")
