"""The lab's command line: a thin layer over `lab.run.Lab`. Expected trouble is one sentence and status 1."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab.build import LabBuildError
from lab.run import Lab, LabError, client, state

_DESCRIPTION = """A real Kubernetes with an object store, on this machine alone, for tests and the demo.

profiles:
  control   API server, controllers, scheduler and S3 on 127.0.0.1; no root, ready in seconds
  node      also a node with pods, DNS, volumes and snapshots, in namespaces of its own; needs root

parts, added with --with:
  mongo     MongoDB's protocol (FerretDB, PostgreSQL); needs root      kwok     pretended nodes and pods
  azurite   Azure blob storage                                         velero   a stock Velero that backs up to the lab's bucket
"""
_EXAMPLES = """examples:
  python -m lab up --profile node --with mongo
  eval "$(python -m lab env)" && kubectl get pods -A
  python -m lab run server --ready https://10.77.1.2:8443/healthz -- cloudcasa-server
  python -m lab exec -- kubectl get nodes
  python -m lab down --all
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.action(options)
    except (LabError, LabBuildError) as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What was started is recorded: go on with `up`, or end it with `down`.", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m lab", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=shape)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="default", help="the lab's name (default: default)")

    one = commands.add_parser("up", parents=[named], help="bring a lab up, or add what it lacks")
    one.add_argument("--profile", choices=["control", "node"], help="what a new lab is (default: control)")
    one.add_argument("--with", dest="parts", default="", metavar="PART,…", help="parts to add: mongo, azurite, kwok, velero")
    one.add_argument("--peer", metavar="OTHER", help="join to another node lab with a cable")
    one.set_defaults(action=_up)
    one = commands.add_parser("down", parents=[named], help="end a lab and remove every trace of it")
    one.add_argument("--all", action="store_true", help="end every lab of this user")
    one.set_defaults(action=_down)
    one = commands.add_parser("status", help="list the labs and their processes")
    one.set_defaults(action=_status)
    one = commands.add_parser("env", parents=[named], help="print the variables that programs use a lab by")
    one.add_argument("--format", choices=["sh", "json"], default="sh", help="shell lines to eval, or JSON")
    one.set_defaults(action=_env)
    one = commands.add_parser("logs", parents=[named], help="print a part's log")
    one.add_argument("part", help="as `status` names it")
    one.set_defaults(action=_logs)
    one = commands.add_parser("run", parents=[named], help="start a further supervised process inside a lab; it ends with the lab")
    one.add_argument("part", help="the name to give it")
    one.add_argument("--ready", metavar="URL", help="wait until this address answers 200")
    one.add_argument("command", nargs="+", help="after --: the command")
    one.set_defaults(action=_run)
    one = commands.add_parser("stop", parents=[named], help="end one process that `run` started")
    one.add_argument("part", help="as `status` names it")
    one.set_defaults(action=_stop)
    one = commands.add_parser("image", parents=[named], help="give a node lab an image, building it if need be; print its reference")
    one.add_argument("image", help="agent, server, busybox…")
    one.set_defaults(action=_image)
    one = commands.add_parser("exec", parents=[named], help="run a command inside a lab and wait for it")
    one.add_argument("command", nargs="+", help="after --: the command")
    one.set_defaults(action=_exec)
    return parser


def _up(options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    lab.up(options.profile, parts=[part for part in options.parts.split(",") if part])
    if options.peer:
        lab.peer(options.peer)
    return 0


def _down(options: argparse.Namespace) -> int:
    for name in _all_names() if options.all else [options.name]:
        Lab(name).down()
    return 0


def _all_names() -> list[str]:
    """Every directory counts: an `up` killed at once has written no record yet."""
    return sorted(path.name for path in state.base().glob("*/"))


def _status(_: argparse.Namespace) -> int:
    names = _all_names()
    if not names:
        print("There is no lab. Bring one up: python -m lab up")
    for name in names:
        _print_lab(Lab(name))
    return 0


def _print_lab(lab: Lab) -> None:
    record = state.find(lab.name)
    if record is None or not lab.is_running:
        print(f"{lab.name}: not running; remove it: python -m lab down --name {lab.name}")
        return
    peers = f", peers {', '.join(record.peers)}" if record.peers else ""
    print(f"{lab.name}: {record.profile} lab at {record.api_url}{peers}, holder {lab.client.holder.pid}, state {lab.home}")
    pids = lab.client.host_pids()
    for part in sorted(lab.parts().values(), key=lambda one: one.started_at):
        pid = pids.get(part.pid, 0)
        alive = part.exit_status is None
        state_text = (
            f"{client.rss_bytes(pid) >> 20} MiB, for {time.time() - part.started_at:.0f} s" if alive else f"ended ({part.exit_status})"
        )
        print(f"  {part.part:24} {pid or '-':>8}  {state_text}")


def _env(options: argparse.Namespace) -> int:
    variables = Lab(options.name).env()
    if options.format == "json":
        print(json.dumps(variables, indent=2))
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def _logs(options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    path: Path = lab.log_path(options.part)
    if not path.exists():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.log"))) or "none"
        raise LabError(f'The lab "{lab.name}" has no log of "{options.part}" (it has: {known}).')
    sys.stdout.write(path.read_text(errors="replace"))
    return 0


def _run(options: argparse.Namespace) -> int:
    Lab(options.name).start(options.part, options.command, ready=options.ready, env=dict(os.environ), cwd=Path.cwd())
    return 0


def _stop(options: argparse.Namespace) -> int:
    Lab(options.name).stop(options.part)
    return 0


def _image(options: argparse.Namespace) -> int:
    print(Lab(options.name).add_image(options.image))
    return 0


def _exec(options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    sys.stdout.flush()
    os.execvpe(lab.command(options.command)[0], lab.command(options.command), lab.command_env())
