"""Azurite over TLS with tokens, and a stand-in for Microsoft's login, which cannot be had: it knows one application."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.tls import Certificate, ensure_certificate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lab.build import binary
from lab.run import probe

ACCOUNT = "labstore"


@dataclass(frozen=True)
class Azure:
    """Where Azurite and the login are, and with what they are used."""

    endpoint: str
    authority: str
    ca_file: Path
    tenant_id: str = "contoso.example"
    client_id: str = "00000000-0000-0000-0000-0000000000cc"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    account_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())


@contextmanager
def azure(directory: Path) -> Iterator[Azure]:
    """Run both until the test is done with them."""
    certificate = ensure_certificate(directory / "tls", names=["127.0.0.1"], now=SystemClock().now())
    blob, login = (_free_port() for _ in range(2))
    assert certificate.ca_file
    place = Azure(f"https://127.0.0.1:{blob}/{ACCOUNT}", f"https://127.0.0.1:{login}", certificate.ca_file)
    with _azurite(directory, place, blob, certificate), _login(place, login, certificate):
        yield place


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _azurite(directory: Path, place: Azure, port: int, certificate: Certificate) -> Iterator[None]:
    program = binary("azurite") / "node_modules/azurite/dist/src/blob/main.js"
    argv = ["node", str(program), "--blobHost=127.0.0.1", f"--blobPort={port}"]
    argv += ["--skipApiVersionCheck", "--silent", "--disableTelemetry", "--inMemoryPersistence", "--oauth=basic"]
    argv += [f"--cert={certificate.certificate_file}", f"--key={certificate.private_key_file}"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{place.account_key}"}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, cwd=directory) as process:
        try:
            probe.wait("Azurite", until=probe.tcp("127.0.0.1", port=port), timeout_seconds=60)
            yield
        finally:
            process.terminate()


@contextmanager
def _login(place: Azure, port: int, certificate: Certificate) -> Iterator[None]:
    config = uvicorn.Config(
        _entra(place),
        host="127.0.0.1",
        port=port,
        log_level="error",
        ssl_certfile=certificate.certificate_file,
        ssl_keyfile=certificate.private_key_file,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        probe.wait("the login", until=probe.tcp("127.0.0.1", port=port), timeout_seconds=60)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _entra(place: Azure) -> Starlette:
    base = f"{place.authority}/{place.tenant_id}"

    async def configuration(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        )

    async def token(request: Request) -> JSONResponse:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        if (form["client_id"], form["client_secret"]) != (place.client_id, place.client_secret):
            text = "AADSTS7000215: Invalid client secret provided."
            return JSONResponse({"error": "invalid_client", "error_description": text}, status_code=401)
        return JSONResponse({"token_type": "Bearer", "expires_in": 3600, "access_token": _token(place)})

    tenant = f"/{place.tenant_id}"
    return Starlette(
        routes=[
            Route(f"{tenant}/v2.0/.well-known/openid-configuration", configuration),
            Route(f"{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
        ]
    )


def _token(place: Azure) -> str:
    """Return a token as Azurite reads it: it looks at the claims, not at the signature."""
    now = int(time.time())
    claims: dict[str, Any] = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{place.tenant_id}/"}
    parts = ({"alg": "none"}, claims | {"iat": now - 60, "nbf": now - 60, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"
