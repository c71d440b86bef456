"""An S3 server of a test's own behind TLS by a private CA, with users that come and go: versitygw on the loopback address."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudcasa_contract.commands import StorageTarget
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.tls import ensure_certificate

from lab.build import binary
from lab.run import probe

BUCKET = "backups"
REGION = "eu-test-1"


@dataclass(frozen=True)
class Keys:
    """A key pair."""

    access_key: str
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))


@dataclass(frozen=True)
class PrivateS3:
    """Where it is, whom to trust, and its root's keys."""

    endpoint: str
    ca_pem: str
    root: Keys
    program: Path

    def target(self, keys: Keys | None = None, **changes: Any) -> StorageTarget:
        """Return it as an agent is told of it."""
        keys = keys or self.root
        fields = {
            "objectstore_id": "6513f0c0ffee0000000000cc",
            "name": "private",
            "bucket": BUCKET,
            "prefix": "",
            "region": REGION,
            "endpoint": self.endpoint,
            "access_key": keys.access_key,
            "secret_key": keys.secret_key,
            "ca_pem": self.ca_pem,
        }
        return StorageTarget.model_validate(fields | changes)


@contextmanager
def private_s3(directory: Path) -> Iterator[PrivateS3]:
    """Run it until the test is done with it."""
    certificate = ensure_certificate(directory / "tls", names=["127.0.0.1"], now=SystemClock().now())
    assert certificate.ca_file
    for name in ("data", "iam", f"data/{BUCKET}"):
        (directory / name).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    place = PrivateS3(f"https://127.0.0.1:{port}", certificate.ca_file.read_text(), Keys("root"), binary("versitygw"))
    argv = [str(place.program), f"--port=127.0.0.1:{port}", f"--region={REGION}", f"--iam-dir={directory}/iam", "--quiet"]
    argv += [f"--cert={certificate.certificate_file}", f"--key={certificate.private_key_file}", "posix", f"{directory}/data"]
    environment = {**os.environ, "ROOT_ACCESS_KEY": place.root.access_key, "ROOT_SECRET_KEY": place.root.secret_key}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            probe.wait("the S3 server", until=probe.tcp("127.0.0.1", port=port), timeout_seconds=60)
            yield place
        finally:
            process.terminate()
