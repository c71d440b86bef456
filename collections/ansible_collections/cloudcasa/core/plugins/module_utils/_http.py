# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The port through which the collection talks HTTP, and its adapter over ansible.module_utils.urls.
# Why a port: the same client serves modules, inventory plugins and tests; only this file knows how bytes travel.

from __future__ import annotations

import os
import re
import ssl
import typing as t
from dataclasses import dataclass, field
from urllib.error import HTTPError, URLError

from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import SSLValidationError, open_url


@dataclass(frozen=True)
class Response:
    """What a server answered, whatever the status."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """Return a header by its name in any case, or an empty text."""
        return self.headers.get(name.lower(), "")


class TransportError(Exception):
    """No answer came: name resolution, connection, certificate or time."""

    def __init__(self, reason: str, *, url: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.url = url


class Http(t.Protocol):
    """The port."""

    def request(self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None) -> Response:
        """Send one request and return the answer. Raises TransportError where none came."""
        ...


class OpenUrlHttp:
    """The adapter over Ansible's own HTTP client, the only one a bare managed node has."""

    def __init__(self, *, validate_certs: bool = True, ca_path: str | None = None, timeout_seconds: int = 30) -> None:
        self._validate_certs = validate_certs
        self._ca_path = ca_path
        self._timeout_seconds = timeout_seconds

    def request(self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None) -> Response:
        """Send one request. The key never follows a redirect to another place, and ~/.netrc never replaces it."""
        if self._ca_path and not os.path.exists(self._ca_path):
            raise TransportError(f'ca_path names "{self._ca_path}" for its certificate, and there is no such file', url=url)
        try:
            answer = open_url(
                url,
                data=body,
                headers=headers,
                method=method,
                timeout=self._timeout_seconds,
                validate_certs=self._validate_certs,
                ca_path=self._ca_path,
                unredirected_headers=["Authorization"],
                use_netrc=False,
                http_agent="ansible-cloudcasa.core",
            )
            return _response(answer, answer.status)
        except HTTPError as e:
            return _response(e, e.code)
        except (URLError, SSLValidationError, UrlsConnectionError, ssl.SSLError, OSError, ValueError) as e:
            raise TransportError(_reason(e), url=url) from e


def _response(answer: t.Any, status: int) -> Response:
    headers = {name.lower(): value for name, value in (answer.headers or {}).items()}
    try:
        body = to_bytes(answer.read() or b"")
    except (OSError, AttributeError):
        body = b""
    return Response(status=status, body=body, headers=headers)


def _reason(error: Exception) -> str:
    """Return what went wrong without what only programs read: "[Errno 111] Connection refused" is "Connection refused"."""
    reason = getattr(error, "reason", None) or error
    text = re.sub(r"\[(Errno [-0-9]+|SSL: \w+)\] | \(_ssl\.c:\d+\)", "", to_text(reason)).strip()
    return text.rstrip(".") or type(error).__name__
