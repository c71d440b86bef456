"""The collection is held to the real server: its app, on a loopback port with TLS of its own CA, an embedded database and a fake S3 probe."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cloudcasa_server.app import create_app, server_certificate
from cloudcasa_server.identity.service import BOOTSTRAP_FILE
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore
from cloudcasa_server.object_store.probe import ProbeError, Target

from ansible_collections.cloudcasa.core.plugins.module_utils._api import Api
from ansible_collections.cloudcasa.core.plugins.module_utils._errors import ApiError
from ansible_collections.cloudcasa.core.plugins.module_utils._http import OpenUrlHttp
from tests.support.server import a_listener
from tests.unit.collection.modules import Runner

START_SECONDS = 20


@dataclass(frozen=True)
class Served:
    """A running server and how to call it."""

    url: str
    data_dir: Path

    @property
    def auth(self) -> dict[str, Any]:
        """The options that every module takes."""
        key = (self.data_dir / BOOTSTRAP_FILE).read_text().strip()
        return {"api_url": self.url, "api_key": key, "ca_path": str(self.data_dir / "tls" / "ca.crt")}


class Rest:
    """A look at what the server has stored."""

    def __init__(self, served: Served) -> None:
        auth = served.auth
        self.api = Api(OpenUrlHttp(ca_path=auth["ca_path"]), base_url=served.url, api_key=auth["api_key"])

    def find(self, resource: str, where: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the documents of a filter."""
        return self.api.list(resource, where=where)


async def probe(target: Target, /) -> None:
    """Accept any bucket but one."""
    if target.bucket == "no-such-bucket":
        raise ProbeError(f'Cannot access bucket "{target.bucket}". Check the credentials and permissions.', field="bucket_name")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data_dir = tmp_path_factory.mktemp("server")
    with a_listener() as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(data_dir=data_dir, public_url=url, log_level="error")
        certificate = server_certificate(settings, clock=SystemClock())
        assert certificate is not None
        config = uvicorn.Config(
            create_app(settings, probe=probe, store=SqliteStore(data_dir / FILE_NAME, synchronous="OFF")),
            ssl_certfile=certificate.certificate_file,
            ssl_keyfile=certificate.private_key_file,
            log_config=None,
            access_log=False,
            loop="asyncio",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield Served(url=url, data_dir=data_dir)
        server.should_exit = True
        thread.join(timeout=START_SECONDS)


@pytest.fixture
def modules(api: Served) -> Iterator[Runner]:
    yield Runner(**api.auth)
    _empty(Rest(api))


@pytest.fixture
def rest(api: Served) -> Rest:
    return Rest(api)


def _empty(rest: Rest) -> None:
    for resource in ("kubeoffloads", "kubebackups", "kuberestores", "kubeclusters", "objectstores"):
        for document in rest.find(resource, {}):
            with contextlib.suppress(ApiError):  # an object store with recovery points stays
                rest.api.delete(f"{resource}/{document['_id']}")
