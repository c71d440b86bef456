"""Opening the websocket, and what its ends mean: every exception of websockets becomes a LinkEndedError here."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cloudcasa_contract.frames import CHANNEL_PATH, MAX_FRAME_BYTES, CloseReason
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from cloudcasa_agent.kit.errors import AgentError

_OPEN_SECONDS = 10.0
_PING_SECONDS = 15.0
_REFUSED = frozenset({401, 403})
REMEDIES = {
    CloseReason.UNAUTHORIZED: "Apply the manifest of the cluster again, which the server shows: it holds a valid credential.",
    CloseReason.CLUSTER_DELETED: "The cluster was deleted on the server: remove the agent, or register the cluster again and apply its manifest.",
    CloseReason.PROTOCOL_UNSUPPORTED: "Server and agent are too far apart: install the agent version that belongs to the server.",
    CloseReason.SUPERSEDED: "Another agent of this cluster is connected: run one agent for each cluster.",
}
"""What to do about the ends that do not mend themselves."""


class LinkEndedError(AgentError):
    """The link could not be made, or it ended."""

    slug = "link-ended"

    def __init__(self, text: str, *, reason: CloseReason | None = None) -> None:
        """Keep the reason when the server gave one."""
        super().__init__(text, remedy=REMEDIES.get(reason, "") if reason else "")
        self.reason = reason


@dataclass(frozen=True)
class Endpoint:
    """Where the server is, and how its certificate is checked."""

    server_url: str
    ca_file: Path | None = None
    skip_tls_verification: bool = False

    @property
    def url(self) -> str:
        """Return the websocket's URL."""
        parts = urlsplit(self.server_url if "://" in self.server_url else f"https://{self.server_url}")
        scheme = "ws" if parts.scheme in {"http", "ws"} else "wss"
        return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{CHANNEL_PATH}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return how TLS is checked, None for a plain connection."""
        if not self.url.startswith("wss:"):
            return None
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        if self.skip_tls_verification:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def open_socket(endpoint: Endpoint, *, credential: SecretStr, user_agent: str) -> ClientConnection:
    """Open the websocket. Raises LinkEndedError."""
    try:
        return await connect(
            endpoint.url,
            ssl=await asyncio.to_thread(endpoint.ssl_context),
            additional_headers={"Authorization": f"Bearer {credential.get_secret_value()}"},
            user_agent_header=user_agent,
            open_timeout=_OPEN_SECONDS,
            close_timeout=2.0,
            ping_interval=_PING_SECONDS,
            ping_timeout=2 * _PING_SECONDS,
            max_size=MAX_FRAME_BYTES,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        reason = CloseReason.UNAUTHORIZED if status in _REFUSED else None
        text = f'Cannot connect to "{endpoint.url}": the server answered {status}.'
        raise LinkEndedError(text, reason=reason) from error
    except ssl.SSLError as error:
        text = f'Cannot connect to "{endpoint.url}": its certificate was not accepted ({error.reason}). Give the agent the right CA file.'
        raise LinkEndedError(text) from error
    except (WebSocketException, OSError, TimeoutError, ValueError) as error:
        text = f'Cannot connect to "{endpoint.url}": {type(error).__name__}: {error}'
        raise LinkEndedError(text) from error


def ended(error: ConnectionClosed) -> LinkEndedError:
    """Return what the end of a socket means; a close code of ours stands for its reason."""
    code = error.rcvd.code if error.rcvd else 1006
    reason = next((reason for reason in CloseReason if reason.code == code), None)
    return LinkEndedError(f"The link to the server ended with code {code}{f' ({reason.value})' if reason else ''}.", reason=reason)
