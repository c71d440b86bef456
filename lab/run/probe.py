"""Is it ready yet? Probes ask once and answer yes or no; `wait` asks until a deadline. No fixed sleeps anywhere."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from .errors import LabError
from .kernel import network_of

Probe = Callable[[], bool]

_INTERVAL_SECONDS = 0.05


def tcp(host: str, *, port: int, inside: int | None = None) -> Probe:
    """Ask whether something listens; `inside` is a process whose network to look from."""

    def ask() -> bool:
        with _socket(host, port=port, inside=inside):
            return True

    return ask


def url(address: str, *, inside: int | None = None) -> Probe:
    """Ask whether an address answers 200. Certificates are not checked: this asks for readiness, it sends no secret."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)

    def ask() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=2)
        raw = _socket(host, port=port, inside=inside)
        connection.sock = _trusting().wrap_socket(raw, server_hostname=host) if parts.scheme == "https" else raw
        try:
            connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()

    return ask


def holds(probe: Probe) -> bool:
    """Ask once; a refused or broken connection is a no."""
    try:
        return probe()
    except (OSError, http.client.HTTPException):
        return False


def wait(what: str, *, until: Probe, timeout_seconds: float, hint: str = "") -> None:
    """Ask until yes; raise LabError at the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while not holds(until):
        if time.monotonic() > deadline:
            raise LabError(f"Waited {timeout_seconds:.0f} s in vain until {what}. {hint}".strip())
        time.sleep(_INTERVAL_SECONDS)


def _socket(host: str, *, port: int, inside: int | None) -> socket.socket:
    with network_of(inside):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(2)
    try:
        made.connect((host, port))
    except BaseException:
        made.close()
        raise
    return made


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
