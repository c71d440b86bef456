"""A real OpenID provider as a process (oidc-provider, built by the lab), and somebody who signs in there with its forms."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from joserfc.jwk import RSAKey

from .people import URL, PeopleBench

CLIENT = "cloudcasa"
SECRET = "a secret of this test only"
_HOPS = 12
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="([^"]+)"')


def a_key(kid: str) -> dict[str, Any]:
    """Return a new signing key."""
    return dict(RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True).as_dict(private=True))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class OpenIdServer:
    """The provider; start it again to exchange its keys or its people."""

    program: Path
    port: int = field(default_factory=free_port)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [a_key("k1")])
    tls: dict[str, str] | None = None
    provider_id: str = "corp"
    _process: subprocess.Popen[bytes] | None = None
    _running: str = ""

    @property
    def issuer(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return what an operator writes of it."""
        mine = {"id": self.provider_id, "name": "Corp", "issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET}
        return mine | more

    def start(self) -> None:
        """Start the process, and return when it listens."""
        self._running = self._config()
        self._process = subprocess.Popen(
            ["node", "provider.mjs"],
            cwd=self.program,
            env={**os.environ, "OIDC_PROVIDER": self._running},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != b"listening\n":
            assert line, "the provider ended before it listened"

    def _config(self) -> str:
        client = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": [f"{URL}/api/v1/auth/{self.provider_id}/callback"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        }
        return json.dumps(
            {"issuer": self.issuer, "clients": [client], "accounts": self.accounts, "jwks": {"keys": self.keys}, "tls": self.tls}
        )

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def again(self) -> None:
        """Run with what is set now: restarts when that differs from what runs."""
        if self._process is None or self._running != self._config():
            self.stop()
            self.start()


@dataclass
class Person:
    """Somebody with a browser that keeps the cookies of both sites apart, as browsers do."""

    ours: httpx.AsyncClient
    theirs: httpx.AsyncClient

    async def leave(self, path: str = "/auth/corp/start") -> str:
        """Set out; return where the browser is sent."""
        answer = await self.ours.get(path)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def sign_in_there(self, url: str, login: str) -> str:
        """Fill in the provider's forms; return the address that leads back."""
        answer = await self.theirs.get(url)
        for _ in range(_HOPS):
            if answer.is_redirect:
                url = urljoin(str(answer.url), answer.headers["location"])
                if url.startswith(URL):
                    return url
                answer = await self.theirs.get(url)
                continue
            assert answer.status_code == 200, answer.text
            (prompt,), (action,) = _PROMPT.findall(answer.text), _FORM.findall(answer.text)
            body = {"prompt": prompt, "login": login, "password": "any"}
            answer = await self.theirs.post(urljoin(str(answer.url), unescape(action)), data=body)
        raise AssertionError("the provider does not lead back")

    async def come_back(self, url: str) -> httpx.Response:
        """Open the address that leads back."""
        parts = urlsplit(url)
        return await self.ours.get(f"{parts.path.removeprefix('/api/v1')}?{parts.query}")

    async def sign_in(self, login: str, path: str = "/auth/corp/start") -> httpx.Response:
        """Go the whole way."""
        return await self.come_back(await self.sign_in_there(await self.leave(path), login))


async def a_person(bench: PeopleBench, *, verify: Any = False) -> Person:
    """Return somebody with an empty browser; over plain HTTP there is nothing to verify."""
    theirs = await bench.stack.enter_async_context(httpx.AsyncClient(verify=verify, trust_env=False))
    return Person(await bench.browser(), theirs)
