"""Mail by SMTP. The standard library's client runs in a thread of its own; one connection for each message."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from urllib.parse import urlsplit

from ...kit.store import Document
from .base import Batch, Event, SendError, at_utc, headline

_SECONDS = 20.0
"""Of one exchange with the mail server."""
_MAIL_SECONDS = 60.0
_MAX_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server of the settings."""

    host: str
    port: int
    security: str
    """starttls, tls or none."""
    user: str
    password_file: Path | None
    ca_file: Path | None
    sender: str


@dataclass(frozen=True, slots=True)
class MailSender:
    """Sends several alerts as one mail."""

    server: MailServer
    public_url: str
    max_batch: int = 50

    def refusal(self) -> str:
        """Say what is missing in the settings."""
        if self.server.host and self.server.sender:
            return ""
        return "This server has no mail server. Set CLOUDCASA_SMTP_HOST and CLOUDCASA_MAIL_FROM, then start it again."

    def place(self, channel: Document, /) -> str:
        """Return the recipients."""
        return ", ".join(channel["email"]["to"])

    async def send(self, batch: Batch, /) -> str:
        """Hand the mail to the mail server. Recipients that it refuses while it takes others are named: those others have the mail."""
        if reason := self.refusal():
            raise SendError(reason)
        try:
            async with asyncio.timeout(_MAIL_SECONDS):
                refused = await asyncio.to_thread(self._hand_over, self._message(batch))
        except (smtplib.SMTPException, OSError, ValueError) as e:
            raise SendError(f"The mail server {self.server.host}:{self.server.port} did not take the mail: {_reason(e)}.") from e
        return f"The mail server refused {', '.join(sorted(refused))}." if refused else ""

    def _message(self, batch: Batch) -> EmailMessage:
        message = EmailMessage()
        subject = " ".join(f"[CloudCasa] {headline(batch.events)}".split())
        message["Subject"] = subject[:_MAX_SUBJECT]
        message["From"] = self.server.sender
        message["To"] = ", ".join(batch.channel["email"]["to"])
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = make_msgid(batch.message_id, domain=urlsplit(self.public_url).hostname)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n\n".join(map(_paragraph, batch.events)) + f"\n\n-- \n{self.public_url}\n")
        return message

    def _hand_over(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        server = self.server
        trust = ssl.create_default_context(cafile=server.ca_file) if server.ca_file else ssl.create_default_context()
        with self._connect(trust) as connection:
            if server.security == "starttls":
                connection.starttls(context=trust)
            if server.user:
                connection.login(server.user, server.password_file.read_text("utf-8").strip() if server.password_file else "")
            return connection.send_message(message)

    def _connect(self, trust: ssl.SSLContext) -> smtplib.SMTP:
        if self.server.security == "tls":
            return smtplib.SMTP_SSL(self.server.host, self.server.port, timeout=_SECONDS, context=trust)
        return smtplib.SMTP(self.server.host, self.server.port, timeout=_SECONDS)


def _paragraph(event: Event) -> str:
    lines = [str(event["name"]), str(event["description"]), at_utc(event["raised_at"])]
    lines += [f"job {event['job']}"] if event.get("job") else []
    return "\n".join(lines)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        return f"{error.smtp_code} {said[:200]}"
    return f"{type(error).__name__}: {str(error)[:200]}"
