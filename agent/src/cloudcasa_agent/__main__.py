"""The agent's command line: `run` (also without a word), `healthy` for the pod's liveness probe, `--version`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from . import __version__
from .kit.alive import is_alive
from .kit.errors import AgentError
from .kit.logging import configure_logging, get_logger
from .kit.settings import Settings


def main() -> int:
    """Run the agent; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="cloudcasa-agent", description="CloudCasa, self-hosted: the agent that does the work on a cluster."
    )
    parser.add_argument("--version", action="version", version=f"cloudcasa-agent {__version__}")
    parser.add_argument("command", nargs="?", choices=("run", "healthy"), default="run", help="what to do (default: run)")
    arguments = parser.parse_args()
    settings = Settings()
    if arguments.command == "healthy":
        return 0 if is_alive(settings.alive_file) else 1
    configure_logging(level=settings.log_level)
    return _run(settings)


def _run(settings: Settings) -> int:
    from .app import run_agent  # noqa: PLC0415 - loads the Kubernetes library (seconds of CPU), which the probe must not do every time

    try:
        asyncio.run(run_agent(settings))
    except AgentError as error:
        get_logger("main").error(error.text, remedy=error.remedy)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
