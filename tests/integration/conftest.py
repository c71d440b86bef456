"""Real parts, one lab without root for all: an API server, S3, and the MongoDB stand-in where root is to be had."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.run import Lab

LAB_NAME = f"{os.environ['CLOUDCASA_TEST_LAB']}-integration" if "CLOUDCASA_TEST_LAB" in os.environ else "integration"
"""Two checkouts that test at once need two names."""


@dataclass(frozen=True)
class S3:
    """An S3 server with one bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str


@pytest.fixture(scope="session")
def control_lab() -> Iterator[Lab]:
    """A control lab that is up."""
    lab = Lab(LAB_NAME)
    lab.up("control", report=lambda line: print(line, file=sys.stderr, flush=True))
    yield lab
    if not os.environ.get("CLOUDCASA_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def s3(control_lab: Lab) -> S3:
    """The lab's S3 server."""
    env = control_lab.env()
    return S3(
        endpoint=env["LAB_S3_ENDPOINT"],
        access_key=env["LAB_S3_ACCESS_KEY"],
        secret_key=env["LAB_S3_SECRET_KEY"],
        bucket=env["LAB_S3_BUCKET"],
        region=env["LAB_S3_REGION"],
    )


@pytest.fixture(scope="session")
def mongo_url(control_lab: Lab) -> str:
    """A MongoDB-compatible database: CLOUDCASA_TEST_MONGO_URL, or FerretDB on PostgreSQL in the lab."""
    if url := os.environ.get("CLOUDCASA_TEST_MONGO_URL"):
        return url
    control_lab.up("control", parts=["mongo"], report=lambda line: print(line, file=sys.stderr, flush=True))
    return control_lab.env()["LAB_MONGO_URL"]
