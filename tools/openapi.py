"""Writes contract/openapi.json from the server's declarations; `--check` only compares. Clients in other languages are generated from this file."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import tempfile
from pathlib import Path

from cloudcasa_server.api import describe_api
from cloudcasa_server.app import SERVER_VERSION, create_app
from cloudcasa_server.kit.settings import Settings

TARGET = Path(__file__).parent.parent / "contract" / "openapi.json"
SHOWN_LINES = 80


def description() -> str:
    """Return the description as it is to be committed: of a server that is wired and never started."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder), tls=False))
        document = describe_api(app.state.rest, version=SERVER_VERSION)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check tell whether it is what it should be."""
    parser = argparse.ArgumentParser(description="Write contract/openapi.json from the server's declarations.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file is out of date")
    arguments = parser.parse_args()
    want = description()
    have = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
    if have == want:
        return 0
    if not arguments.check:
        TARGET.write_text(want, encoding="utf-8")
        print(f"Wrote {TARGET}")
        return 0
    difference = list(difflib.unified_diff(have.splitlines(), want.splitlines(), "have", "want", lineterm="", n=1))
    print(*difference[:SHOWN_LINES], sep="\n")
    print("contract/openapi.json is out of date. Run: .venv/bin/python -m tools.openapi")
    return 1


if __name__ == "__main__":
    sys.exit(main())
