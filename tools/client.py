"""A small client of our REST API for the demo, the stories and the benchmark: the API as a program would use it.

Not part of the product: users have the Ansible modules. It polls, since that is what the API offers.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

Json = dict[str, Any]

_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
"""Between two looks lies a fiftieth of the wait so far, within these bounds: a benchmark of half a second and a demo of minutes poll both."""

FINAL_STATES = frozenset({"COMPLETED", "PARTIAL", "FAILED", "SKIPPED", "CANCELED"})


class ApiError(Exception):
    """The server refused: `status` and its body."""

    def __init__(self, response: httpx.Response) -> None:
        """Keep what is worth telling."""
        super().__init__(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:2000]}")
        self.status = response.status_code
        self.body: Json = response.json() if "json" in response.headers.get("content-type", "") else {}


class Client:
    """Calls with the key and the CA of one server."""

    def __init__(self, url: str, *, api_key: str, ca_path: Path, timeout_seconds: float = 15.0) -> None:
        """Make a client; nothing is sent yet."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {api_key}"},
            verify=ssl.create_default_context(cafile=ca_path),
            timeout=timeout_seconds,
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the connections."""
        self._http.close()

    def call(self, method: str, path: str, *, body: Json | None = None, etag: str | None = None, **query: Any) -> Json:
        """Make one call. Dicts in the query are sent as JSON. Raises ApiError on any status but 2xx."""
        params = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()}
        headers = {"If-Match": etag} if etag else {}
        response = self._http.request(method, path, json=body, params=params, headers=headers)
        if not response.is_success:
            raise ApiError(response)
        result: Json = response.json() if response.content else {}
        return result

    def get(self, path: str, **query: Any) -> Json:
        """Return a document or a list."""
        return self.call("GET", path, **query)

    def post(self, path: str, body: Json | None = None) -> Json:
        """Create a document or run an action."""
        return self.call("POST", path, body=body or {})

    def find(self, resource: str, **where: Any) -> list[Json]:
        """Return the documents that match, newest first."""
        items: list[Json] = self.get(resource, where=where, sort="-_created")["_items"]
        return items

    def wait(self, path: str, done: Callable[[Json], bool], *, timeout_seconds: float) -> Json:
        """Poll a document until `done`; raise TimeoutError with the last one seen."""
        began = time.monotonic()
        while True:
            document = self.get(path)
            if done(document):
                return document
            waited = time.monotonic() - began
            if waited > timeout_seconds:
                text = f"{path} did not get there in {timeout_seconds:.0f} s; last seen: {json.dumps(document, indent=1)[:4000]}"
                raise TimeoutError(text)
            time.sleep(min(max(waited / 50, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS))

    def wait_for_job(self, job_id: str, *, timeout_seconds: float = 600) -> Json:
        """Poll a job until it has ended."""
        return self.wait(f"jobs/{job_id}", lambda job: job["state"] in FINAL_STATES, timeout_seconds=timeout_seconds)
