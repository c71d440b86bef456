"""Schemathesis walks the whole description against a running server: whatever it sends, each answer is one that the description allows.

The document is the strict form, in which a field that nobody described is an error, with links that also lead from a document to those that may
name it (a cluster to its backups), so that walks reach deep. The storage probe is a fake: an endpoint that a program made up is not looked for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cloudcasa_server.api import describe_api
from cloudcasa_server.app import SERVER_VERSION
from cloudcasa_server.kit.rest import RestApi

from tests.support.server import Running, a_server
from tests.support.settled import first_ids, settled
from tests.support.world import a_world

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SECONDS = 280.0
SEEDS = range(1, 6)


def linked(document: dict[str, Any], rest: RestApi) -> dict[str, Any]:
    """Return the document with a link from each POST to the POSTs whose bodies may name what it made; Schemathesis merges such a body into its own."""
    document = deepcopy(document)
    for name, resource in rest.resources.items():
        for path, target in resource.references.items():
            post = document["paths"].get(f"/api/v1/{target}", {}).get("post")
            body = document["components"]["schemas"].get(f"{resource.title.capitalize()}Body", {}).get("properties", {})
            if post and "create" in resource.methods and path in body:
                link = {"operationId": f"{name}_create", "requestBody": {path: "$response.body#/_id"}}
                post["responses"]["201"].setdefault("links", {})[f"{name}_{path}"] = link
    return _without_suicide(document)


def _without_suicide(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without links that lead from a list to changing its first entry: that may be the caller's own key."""
    for name in ("apikeys", "users", "userorgs", "roles", "sessions"):
        links = document["paths"].get(f"/api/v1/{name}", {}).get("get", {}).get("responses", {}).get("200", {}).get("links", {})
        for kind in ("delete", "patch", "replace"):
            links.pop(kind, None)
    return document


def strict(server: Running) -> dict[str, Any]:
    return linked(describe_api(server.app.state.rest, version=SERVER_VERSION, is_strict=True), server.app.state.rest)


async def walk(server: Running, folder: Path, document: dict[str, Any], *options: str) -> tuple[int, str]:
    """Run Schemathesis against a server; return its exit code and report."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    key = (folder / "data" / "bootstrap-key").read_text(encoding="utf-8").strip()
    program = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(program),
        f"--config-file={CONFIGURATION}",
        "run",
        str(file),
        f"--url={server.url}",
        *options,
        env={**os.environ, "CLOUDCASA_TEST_KEY": key, "NO_PROXY": "127.0.0.1"},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("phases", ["examples", "fuzzing"])
async def test_every_answer_is_one_that_the_description_allows(tmp_path, phases):
    async with a_server(tmp_path / "data") as server, a_world(server):
        code, report = await walk(server, tmp_path, strict(server), f"--phases={phases}")

    print(report)
    assert code == 0


async def test_walks_along_the_links_meet_nothing_that_is_not_described(tmp_path):
    """Several short walks: Hypothesis ends one as soon as the server answers the same request in another way, as servers with a memory do."""
    async with a_server(tmp_path / "data") as server, a_world(server):
        rest = server.app.state.rest
        document = settled(strict(server), rest, await first_ids(server, rest))
        for seed in SEEDS:
            code, report = await walk(
                server, tmp_path, document, "--phases=stateful", "--mode=positive", "--max-examples=60", f"--seed={seed}"
            )
            print(report)
            assert code == 0
