"""Writes contract/openapi.json from the server's declarations; `--check` only compares. Clients in other languages are generated from this file."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from cloudcasa_server.api import describe_api
from cloudcasa_server.app import SERVER_VERSION, create_app
from cloudcasa_server.kit.settings import Settings

from tools.generated import ROOT, write_or_check

TARGET = ROOT / "contract" / "openapi.json"


def description() -> str:
    """Return the description as it is to be committed: of a server that is wired and never started."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder), tls=False))
        document = describe_api(app.state.rest, version=SERVER_VERSION)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check tell whether it is what it should be."""
    return write_or_check(TARGET, tool="openapi", wanted=description)


if __name__ == "__main__":
    sys.exit(main())
