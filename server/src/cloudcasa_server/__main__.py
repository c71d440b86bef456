"""The program `cloudcasa-server`: read settings, serve, and say on one screen what a person needs at the first start."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from cloudcasa_contract.frames import MAX_FRAME_BYTES
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from .app import SERVER_VERSION, Parts, create_app, open_database, prepare_identity, server_certificate
from .identity.recovery import create_admin, password_link
from .identity.service import BOOTSTRAP_FILE
from .identity.users import COLLECTION as USERS
from .kit.clock import SystemClock
from .kit.crypto import VaultError
from .kit.errors import AppError
from .kit.http import GuardedProtocol
from .kit.logging import configure_logging
from .kit.observe import start_tracing, stop_tracing
from .kit.rest import Change
from .kit.settings import Settings
from .kit.store import StoreError
from .kit.tls import Certificate, fingerprint
from .object_store.escrow import set_repository_password
from .object_store.service import COLLECTION as STORES

_GOODBYE_SECONDS = 3.0
_AT_THE_SERVER = "At the command line of the server."
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_EPILOG = """\
Every setting is also an environment variable CLOUDCASA_<NAME>, such as CLOUDCASA_DATABASE_URL=mongodb://… for another
database than the file in the data directory, or CLOUDCASA_TLS_CERTIFICATE_FILE and CLOUDCASA_TLS_PRIVATE_KEY_FILE.
SIGTERM ends it: agents are told, running requests end, and jobs go on at the next start."""
_ESCROW = """\
Without it, the data of volumes in your buckets is noise: print it once and keep it apart from this machine. Give it to a server that has
lost its database before any agent comes to it, then import from the object store."""
_CREATE = "create-admin"
_PEOPLE = {
    _CREATE: "make a person with the role ADMIN; the password is asked for, or read from standard input",
    "password-link": "print a link by which a person sets a new password, once",
}
_REPOSITORY = "repository-password"
_NO_SETTINGS = frozenset({"command", "email", "name", "action", "force"})


class Server(uvicorn.Server):
    """uvicorn, which tells people where it is, and agents that it goes."""

    def __init__(self, config: uvicorn.Config, *, app: FastAPI, greeting: str) -> None:
        """Remember whom to tell."""
        super().__init__(config)
        self._app = app
        self._greeting = greeting
        self.trouble: StoreError | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, once the database is there; what keeps it away is `trouble`, a sentence instead of a traceback."""
        try:
            await open_database(self._app)
        except StoreError as error:
            self.trouble = error
            await self._app.state.parts.store.close()
            return
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if self.started:
            first = _first_start(self._app.state.parts.settings) if self._app.state.has_new_key else ""
            print(self._greeting + first, flush=True)  # noqa: T201 -- for the person at the terminal

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on agents with the reason, then let requests end."""
        self._app.state.parts.readiness.drain()
        gateway = self._app.state.parts.gateway
        gateway.close_all()
        await gateway.wait_idle(timeout_seconds=_GOODBYE_SECONDS)
        await super().shutdown(sockets)
        await stop_tracing()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudcasa-server",
        description="The CloudCasa server: REST API, agents' channel and jobs, in one process.",
    )
    parser.add_argument("--version", action="version", version=SERVER_VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the server", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    serve.add_argument("--data-dir", type=Path, help="directory for keys, certificates and the database (default: /var/lib/cloudcasa)")
    serve.add_argument("--host", dest="listen_host", help="address to listen on (default: 0.0.0.0)")
    serve.add_argument("--port", dest="listen_port", type=int, help="port to listen on (default: 8443)")
    serve.add_argument("--public-url", help="URL that clients and agents reach this server by (default: https://<host>:<port>)")
    for name, text in _PEOPLE.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--data-dir", type=Path, help="the server's data directory (default: /var/lib/cloudcasa)")
        command.add_argument("--public-url", help="URL that links name (default: https://<host>:8443)")
        command.add_argument("--email", required=True, help="the person's e-mail address")
        if name == _CREATE:
            command.add_argument("--name", default="", help="the person's name (default: what stands before the @)")
    _add_repository(commands.add_parser(_REPOSITORY, help="print the password of all backup repositories, or set it", epilog=_ESCROW))
    return parser


def _add_repository(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["show", "set"], help="set: asked for, or read from standard input")
    command.add_argument("--data-dir", type=Path, help="the server's data directory (default: /var/lib/cloudcasa)")
    command.add_argument("--force", action="store_true", help="set it although recovery points are known that the present one opens")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings of the command line and the environment, the command line first."""
    options = vars(_parser().parse_args(arguments))
    given: dict[str, Any] = {name: value for name, value in options.items() if name not in _NO_SETTINGS and value is not None}
    settings = Settings(**given)
    if "public_url" in given or "CLOUDCASA_PUBLIC_URL" in os.environ:
        return settings
    host = socket.gethostname() if settings.listen_host in _EVERYWHERE else settings.listen_host
    scheme = "https" if settings.tls else "http"
    return Settings(**given, public_url=f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.listen_port}")


def _greeting(settings: Settings, certificate: Certificate | None) -> str:
    lines = [f"CloudCasa server {SERVER_VERSION} is ready.", "", f"  URL          {settings.public_url}"]
    lines.append(f"  Listening    {_where(settings)}")
    if certificate and certificate.ca_file:
        lines.append(f"  CA file      {certificate.ca_file}")
    if certificate:
        lines.append(f"  Fingerprint  {fingerprint(certificate.certificate_file)} (SHA-256)")
    return "\n".join(lines)


def _where(settings: Settings) -> str:
    """Return where the server listens, and what follows from it."""
    host = settings.listen_host
    place = f"{f'[{host}]' if ':' in host else host}:{settings.listen_port}"
    if host not in _EVERYWHERE:
        return place
    return f"{place}, all of this machine's addresses; agents must reach it under the URL's name (change: --host, --public-url)"


def _first_start(settings: Settings) -> str:
    key_file = settings.data_dir / BOOTSTRAP_FILE
    own_ca = None if settings.tls_certificate_file else settings.data_dir / "tls" / "ca.crt"
    ca_file = (settings.tls_ca_file or own_ca) if settings.tls else None
    trust = f"--cacert {ca_file} " if ca_file else ""
    return (
        f"\n  API key      in {key_file} (yours only to read)\n\n"
        "This was the first start. Keep a copy of the data directory's keys: without them, stored credentials cannot be read.\n"
        f'Try: curl {trust}-H "Authorization: Bearer $(cat {key_file})" {settings.public_url}/api/v1/kubeclusters'
    )


def serve(settings: Settings) -> int:
    """Serve until told to end; return the exit code."""
    configure_logging(level=settings.log_level, form=settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate = server_certificate(settings, clock=SystemClock())
    if settings.otlp_endpoint:
        start_tracing(settings.otlp_endpoint, version=SERVER_VERSION)
    app = create_app(settings)
    server = Server(uvicorn_config(app, settings, certificate), app=app, greeting=_greeting(settings, certificate))
    server.run()
    if server.trouble:
        raise server.trouble
    return 0 if server.started else 1


def uvicorn_config(app: FastAPI, settings: Settings, certificate: Certificate | None) -> uvicorn.Config:
    """Return how uvicorn serves: with the bounds and deadlines of kit/http.py."""
    return uvicorn.Config(
        app,
        http=GuardedProtocol,
        host=settings.listen_host,
        port=settings.listen_port,
        ssl_certfile=certificate.certificate_file if certificate else None,
        ssl_keyfile=certificate.private_key_file if certificate else None,
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # ours is ClientAddress: uvicorn's own believes whatever connects from this machine
    )


def _manage_people(options: argparse.Namespace, settings: Settings) -> int:
    """Make an administrator or a link, beside a server that may run; return the exit code."""
    configure_logging(level="warning", form="console")
    password = _ask_password() if options.command == _CREATE else ""

    async def work(parts: Parts) -> str:
        if options.command == _CREATE:
            await create_admin(parts.people, email=options.email, password=password, name=options.name)
            answer = f"{options.email} can sign in now, with the role ADMIN."
        else:
            answer = await password_link(parts.people, email=options.email)
        await parts.audit.record(Change(options.command, USERS, name=options.email, message=_AT_THE_SERVER))
        return answer

    return _beside_the_server(settings, work)


def _manage_repository(options: argparse.Namespace, settings: Settings) -> int:
    """Print or set the repository password; return the exit code."""
    configure_logging(level="warning", form="console")
    password = SecretStr(_ask_password() if options.action == "set" else "")

    async def work(parts: Parts) -> str:
        answer = "The repository password is set."
        if options.action == "set":
            await set_repository_password(parts.stores, password, is_forced=options.force)
        else:
            answer = (await parts.stores.repository_password()).get_secret_value()
        await parts.audit.record(Change(f"{_REPOSITORY} {options.action}", STORES, message=_AT_THE_SERVER))
        return answer

    return _beside_the_server(settings, work)


def _beside_the_server(settings: Settings, work: Callable[[Parts], Awaitable[str]]) -> int:
    """Do something with the database of a server that may run, and print the answer; return the exit code."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def opened() -> str:
        app = create_app(settings)
        parts: Parts = app.state.parts
        try:
            await open_database(app)
            await prepare_identity(app)
            return await work(parts)
        finally:
            parts.people.close()
            await parts.store.close()

    print(asyncio.run(opened()))  # noqa: T201 -- for the person at the terminal
    return 0


def _ask_password() -> str:
    """Return the password: never from the command line, which others on the machine can read."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ValueError("the two passwords differ; nothing was made")
    return password


def main() -> int:
    """Run the program."""
    try:
        settings = read_settings(sys.argv[1:])
        options = _parser().parse_args(sys.argv[1:])
        if options.command == "serve":
            return serve(settings)
        return _manage_repository(options, settings) if options.command == _REPOSITORY else _manage_people(options, settings)
    except ValidationError as error:
        text = "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors())
        print(f"cloudcasa-server: a setting is wrong: {text}", file=sys.stderr)  # noqa: T201 -- for the person at the terminal
        return 2
    except AppError as error:
        print(f"cloudcasa-server: {error.text}", file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, ValueError, VaultError, StoreError) as error:
        print(f"cloudcasa-server: cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
