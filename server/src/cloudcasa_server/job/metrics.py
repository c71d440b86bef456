"""What is counted of jobs: how many ended how, and how long they took. Names of clusters and definitions are no labels."""

from __future__ import annotations

from itertools import product

from cloudcasa_contract.states import FINAL_JOB_STATES, JobType
from prometheus_client import CollectorRegistry, Counter, Histogram

from ..kit.store import Document

_BUCKETS = (10.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0)


class JobMetrics:
    """The metrics of jobs that this process ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them."""
        self._ended = Counter("cloudcasa_jobs_ended", "Jobs that ended, by type and state.", ["type", "state"], registry=registry)
        for end in product(JobType, FINAL_JOB_STATES):
            self._ended.labels(*(word.value for word in end))  # from 0 on: Prometheus sees no increase in a series that begins with 1
        self._seconds = Histogram(
            "cloudcasa_job_seconds", "How long jobs took, from opening to end.", ["type"], buckets=_BUCKETS, registry=registry
        )

    def ended(self, job: Document, /) -> None:
        """Count a job that has just ended."""
        self._ended.labels(job["type"], job["state"]).inc()
        self._seconds.labels(job["type"]).observe(max(0, job["end_time"] - job["start_time"]))
