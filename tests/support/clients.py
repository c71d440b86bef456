"""Known clients on the wire: their headers, their spelling of URLs and their order of keys, over a socket of their own (rest-api.md 4 to 6)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from .go import decode
from .raw import Answer, exchange, request
from .server import Running

_BROWSER = re.compile(r'[\x00-\x20"#<>\'\x7f-\U0010ffff]')


@dataclass
class WireClient:
    """A client: what it always sends, and a log of what it asked."""

    server: Running
    headers: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    base: ClassVar[str] = "/api/v1/"

    @property
    def key(self) -> str:
        """Return the API key, as a person would have pasted it."""
        return self.server.api.headers["Authorization"].removeprefix("Bearer ")

    async def send(self, method: str, target: str, *headers: str, body: Any = None) -> Answer:
        """Send one request as it is."""
        self.asked.append(f"{method} {target.partition('?')[0]}")
        content = b"" if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        lines = (f"Authorization: Bearer {self.key}", *self.headers, *headers)
        return await exchange(int(self.server.url.rpartition(":")[2]), request(method, target, *lines, body=content))

    async def call(self, method: str, path: str, kind: Any, *headers: str, body: Any = None, query: str = "", status: int = 200) -> Any:
        """Call the API and decode the answer as this client would; another status ends it."""
        target = f"{self.base}{path}{'?' if query else ''}{query}"
        answer = await self.send(method, target, *headers, body=body)
        assert answer.status == status, f"{method} {target}: {answer.status} {answer.content.decode()}"
        if status == 204:
            assert answer.content == b""
            return None
        assert answer.headers["content-type"] == "application/json"
        return decode(answer.content, kind)


class Terraform(WireClient):
    """catalogicsoftware/cloudcasa 1.x: Go's net/http, Content-Type on every request, etags without quotes, lists with a cookie."""

    def __init__(self, server: Running) -> None:
        """Set its headers."""
        headers = ("User-Agent: Go-http-client/1.1", "Accept: application/json", "Content-Type: application/json", "Accept-Encoding: gzip")
        super().__init__(server, headers)

    async def create(self, resource: str, kind: Any, body: Any) -> Any:
        """POST; the answer must say OK and have what the provider keeps."""
        made = await self.call("POST", resource, kind, body=body, status=201)
        assert made["_status"] == "OK"
        assert all(made[key] for key in ("_id", "name", "_created", "_updated", "_etag"))
        return made

    async def read(self, resource: str, kind: Any, one: str) -> Any:
        """GET one."""
        return await self.call("GET", f"{resource}/{one}", kind)

    async def update(self, resource: str, kind: Any, one: str, etag: str, body: Any) -> Any:
        """PUT with the etag as it stands in `_etag`."""
        return await self.call("PUT", f"{resource}/{one}", kind, f"If-Match: {etag}", body=body)

    async def destroy(self, resource: str, one: str) -> None:
        """DELETE without If-Match."""
        await self.call("DELETE", f"{resource}/{one}", None, status=204)

    @staticmethod
    def query(**words: Any) -> str:
        """Return a query string as Go's url.Values has it: sorted, blanks as +."""
        return urlencode(
            sorted((key, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))) for key, value in words.items())
        )


class Rancher(WireClient):
    """cloudcasa-rancher-extension 1.0.2, after Rancher's meta/proxy: queries written over several lines, braces left as they are."""

    def __init__(self, server: Running) -> None:
        """Set its headers."""
        headers = (
            "Accept: application/json",
            "Content-Type: application/json",
            "X-Api-Cattle-Proxy: true",
            "Cookie: R_SESS=token-x:y; CSRF=z",
        )
        super().__init__(server, headers)

    @staticmethod
    def query(*, is_stripped: bool = True, **words: str) -> str:
        """Return a query string as browsers write it: line breaks dropped (or escaped, by older proxies), blanks and quotes escaped."""
        parts = []
        for key, value in words.items():
            text = re.sub(r"[\n\r\t]", "", value) if is_stripped else value
            parts.append(f"{key}={_BROWSER.sub(lambda found: quote(found[0]), text)}")
        return "&".join(parts)


class Capsule(WireClient):
    """clastix/capsule-addon-cloudcasa: a generated Go client, etags copied from the header with their quotes."""

    base = "/api/v1/"

    def __init__(self, server: Running) -> None:
        """Set its headers."""
        super().__init__(server, ("User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "Content-Type: application/json"))

    @staticmethod
    def where(text: str) -> str:
        """Return the parameter as the generated client escapes it."""
        return f"where={quote(text, safe='').replace('%20', '+')}"


class C3tl(WireClient):
    """ayadi-mohamed/c3tl: Go's net/http with the filter pasted into the URL, and a base that ends in a slash."""

    base = "/api/v1//"

    def __init__(self, server: Running) -> None:
        """Set its headers."""
        super().__init__(server, ("User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "Content-Type: application/json"))
