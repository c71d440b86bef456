"""Why jobs do not end well: the catalogue, and that nothing ends without a reason of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_contract.commands import Artifacts, BackupOutput, RestoreOutput, VolumeResult
from cloudcasa_contract.frames import Outcome
from cloudcasa_contract.states import JobState
from cloudcasa_server.job.clues import clue
from cloudcasa_server.job.model import Finish, JobRequest, JobType, final_shown, job_fields
from cloudcasa_server.job.outcome import failure
from cloudcasa_server.job.reasons import CATALOGUE, described, of_problem
from cloudcasa_server.job.verdict import judge
from cloudcasa_server.kit.errors import AppError

ROOT = Path(__file__).parents[3]
SERVER = ROOT / "server/src/cloudcasa_server"


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a name in the server's code, with its place."""
    for path in sorted(SERVER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield f"{path.relative_to(SERVER)}:{node.lineno}", node


def argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def closed(outcome: Outcome, **problem: str) -> dict[str, object]:
    return {"kind": "backup.run", "result": {"outcome": outcome.value, "problem": problem or None}}


@pytest.mark.parametrize("slug", sorted(CATALOGUE))
def test_every_reason_has_a_sentence_and_a_remedy(slug):
    reason = CATALOGUE[slug]

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", slug)
    assert reason.sentence.endswith(".")
    assert len(reason.remedy) > 10


def test_the_catalogue_is_in_the_order_of_the_alphabet():
    assert list(CATALOGUE) == sorted(CATALOGUE)


def test_every_end_but_completed_names_a_reason_of_the_catalogue():
    ends = list(calls("Finish"))
    unexplained = [
        place
        for place, call in ends
        if ast.unparse(call.args[0]) != "JobState.COMPLETED"
        and argument(call, "reason") is None
        and len(call.args) < len(["state", "message", "changes", "reason"])
    ]
    named = [value.value for _, call in ends if isinstance(value := argument(call, "reason"), ast.Constant)]

    assert unexplained == []
    assert len(named) > 5
    assert set(named) - set(CATALOGUE) == set()


def test_every_problem_of_the_agent_is_a_reason():
    slugs = {
        word
        for path in (ROOT / "agent/src").rglob("*.py")
        for word in re.findall(r'slug(?:: str)? ?= ?"([a-z-]+)"', path.read_text(encoding="utf-8"))
    }
    not_of_commands = {"link-ended", "settings-missing", "no-nodes", "no-csi-driver"}

    assert {slug for slug in slugs - not_of_commands if of_problem(slug) not in CATALOGUE} == set()
    assert of_problem(AgentError.slug) == "agent_fault"


def test_every_error_of_the_server_that_a_step_can_raise_is_a_reason():
    of_requests = {"unauthorized", "forbidden", "precondition-failed", "precondition-required", "too-large", "too-many-requests"}
    slugs = {kind.slug for kind in AppError.__subclasses__()} - of_requests

    assert {slug for slug in slugs if of_problem(slug) not in CATALOGUE} == set()


def test_a_reason_of_a_newer_agent_goes_through_with_its_own_words():
    end = failure(closed(Outcome.FAILED, slug="moon-eclipsed", text="The moon is gone.", remedy="Wait for the night to pass."))

    assert end is not None
    assert final_shown(end, now=1.0)["reason"] == {
        "slug": "moon_eclipsed",
        "sentence": "The moon is gone. Wait for the night to pass.",
        "remedy": "Wait for the night to pass.",
    }


def test_a_known_reason_keeps_what_the_agent_says_to_do():
    end = failure(closed(Outcome.FAILED, slug="storage-unreachable", text="No route.", remedy="Open the port."))

    assert end is not None
    shown = final_shown(end, now=1.0)
    assert (shown["state"], shown["message"]) == ("FAILED", "No route. Open the port.")
    assert shown["reason"] == {"slug": "store_unreachable", "sentence": CATALOGUE["store_unreachable"].sentence, "remedy": "Open the port."}


def test_a_command_that_the_agent_does_not_know_asks_for_a_newer_one():
    end = failure(closed(Outcome.UNSUPPORTED))

    assert end is not None
    assert end.reason == "agent_version_unsupported"


def test_a_problem_without_any_words_is_unexplained_and_says_so():
    end = failure(closed(Outcome.FAILED))

    assert end is not None
    assert final_shown(end, now=1.0)["reason"]["slug"] == "unexplained"


def test_a_completed_job_has_no_reason():
    assert "reason" not in final_shown(Finish(JobState.COMPLETED, "Backup successful"), now=1.0)


def test_a_run_that_is_skipped_from_the_beginning_has_its_reason():
    request = JobRequest(
        type=JobType.K8S_SNAP, display_name="web", cluster_id="c", cluster_name="prod", skip="Missed.", skip_reason="missed_run"
    )

    fields = job_fields(request, start_time=5, now=7.0)

    assert (fields["state"], fields["message"], fields["end_time"]) == ("SKIPPED", "Missed.", 7)
    assert fields["reason"] == described("missed_run", message="Missed.")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("operation error S3: PutObject, api error NoSuchBucket: The specified bucket does not exist", "store_bucket_missing"),
        ("api error AccessDenied: Access Denied", "store_denied"),
        ("write /data: no space left on device", "store_full"),
        ("api error QuotaExceeded: too much", "store_full"),
        ('Get "https://s3": tls: failed to verify certificate: x509: certificate signed by unknown authority', "store_tls"),
        ("api error RequestTimeTooSkewed: The difference is too large", "store_clock_skew"),
        ("dial tcp 10.0.0.1:9000: connect: connection refused", "store_unreachable"),
        ("failed to get VolumeSnapshotClass for provisioner lab.csi", "snapshot_class_missing"),
        ("CSI got timed out with error: context deadline exceeded", "snapshot_timeout"),
        ("volume snapshot is not ready until timeout, errors: []", "snapshot_timeout"),
        ('admission webhook "policy.example" denied the request', "restore_webhook"),
        ('pods "web" is forbidden: exceeded quota: small', "restore_quota"),
        ('no matches for kind "Database" in version "example/v1"', "restore_api_missing"),
        ('storageclass.storage.k8s.io "fast" not found', "restore_class_missing"),
        ("something else altogether", "velero_failed"),
    ],
)
def test_the_words_of_others_stand_for_a_reason(text, slug):
    assert clue(["nothing telling", text], otherwise="velero_failed") == slug


def a_volume(**changes: object) -> VolumeResult:
    return VolumeResult.model_validate({"namespace": "web", "pvc": "data", "method": "CSISnapshot", "is_data_moved": True} | changes)


def ended(
    kind: type[BackupOutput | RestoreOutput], *, phase: str = "Completed", errors: int = 0, **artifacts: object
) -> BackupOutput | RestoreOutput:
    return kind(phase=phase, errors=errors, artifacts=Artifacts.model_validate(artifacts))


@pytest.mark.parametrize(
    ("output", "slug"),
    [
        (ended(BackupOutput, volumes=(a_volume(skipped_reason="no driver"),)), "volume_skipped"),
        (ended(BackupOutput, volumes=(a_volume(succeeded=False),)), "volume_failed"),
        (ended(RestoreOutput, volumes=(a_volume(succeeded=False),)), "restore_data_not_restored"),
        (ended(RestoreOutput, errors=1, phase="PartiallyFailed"), "partially_failed"),
        (ended(BackupOutput, missing=("Log: gone",)), "not_verified"),
        (ended(BackupOutput, phase="PartiallyFailed"), "partially_failed"),
        (ended(BackupOutput, phase="FailedValidation"), "validation_failed"),
        (ended(BackupOutput, phase="Failed"), "velero_failed"),
        (BackupOutput(phase="Failed", failure_reason="api error AccessDenied: no"), "store_denied"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_verdict_names_its_reason(output, slug):
    assert judge(output, needs_data=True).reason == slug


def test_a_verdict_without_trouble_has_no_reason():
    assert judge(ended(BackupOutput, volumes=(a_volume(),))).reason == ""
