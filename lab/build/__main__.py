"""`python -m lab.build [names…|all|sizes|prune]`: build parts of the lab ahead of time, or say how large they are."""

from __future__ import annotations

import argparse
import sys

from . import LabBuildError, ensure, known, prune
from .catalogue import catalogue
from .plan import cached

SIZED_KINDS = ("bin", "image")
"""Images are compressed archives for ours, and plain ones for those of binaries alone."""


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.build", description=__doc__)
    parser.add_argument("names", nargs="*", default=["all"], help=f"`all`, `sizes`, `prune`, or any of: {', '.join(known())}")
    names: list[str] = parser.parse_args().names
    if names == ["sizes"]:
        _print_sizes()
    elif names == ["prune"]:
        prune()
    else:
        try:
            _build(known() if names == ["all"] else names)
        except LabBuildError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def _build(names: list[str]) -> None:
    paths = ensure(names, report=lambda line: print(line, flush=True))
    for name, path in paths.items():
        print(f"{name:24} {path}")


def _print_sizes() -> None:
    for kind, name, path in cached(catalogue()):
        if kind in SIZED_KINDS:
            print(f"{name.removeprefix('image:'):24} {kind:6} {path.stat().st_size / 1e6:8.1f} MB")


if __name__ == "__main__":
    raise SystemExit(main())
