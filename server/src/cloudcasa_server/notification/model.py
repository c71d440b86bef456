"""The channel as clients set it, and what of an alert is told. Pure. A channel is our own addition to the API."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ..alert.model import AlertType
from ..identity.emails import canonical_email
from ..kit.rest import Name, ResourceModel
from ..kit.store import Document

CHANNELS = "notificationchannels"
DELIVERIES = "notificationdeliveries"
MAX_RECIPIENTS = 50
_KEY_MARK = "whsec_"
_TOLD = ("type", "name", "description", "job", "cluster")


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        is_good = False
    if not is_good or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("Give an address such as https://hooks.example.org/backup, without a user in it.")
    return text


def signing_key(secret: str, /) -> bytes:
    """Return the key of a webhook's secret: the bytes behind `whsec_` in base64, else the text itself. Raises ValueError."""
    if not secret.startswith(_KEY_MARK):
        key = secret.encode()
    else:
        try:
            key = b64decode(secret.removeprefix(_KEY_MARK), validate=True)
        except Base64Error as e:
            raise ValueError("What follows whsec_ in the secret must be base64.") from e
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError(f"The secret must have {_MIN_KEY_BYTES} bytes at least.")
    return key


_MIN_KEY_BYTES = 16


def _check_secret(secret: str) -> str:
    signing_key(secret)
    return secret


Url = Annotated[str, Field(max_length=2_000), AfterValidator(_check_url)]


class Email(ResourceModel):
    """Mail, by the mail server of the settings."""

    to: list[Annotated[str, AfterValidator(canonical_email)]] = Field(min_length=1, max_length=MAX_RECIPIENTS)


class Webhook(ResourceModel):
    """A POST for each alert, signed as Standard Webhooks says."""

    url: Url | None = None
    secret: Annotated[str, Field(max_length=200), AfterValidator(_check_secret)] | None = None
    ca_pem: Annotated[str, Field(max_length=100_000)] | None = None


class Slack(ResourceModel):
    """An incoming webhook of Slack, Mattermost, Rocket.Chat or what else understands theirs. Its address is the secret."""

    url: Url | None = None
    ca_pem: Annotated[str, Field(max_length=100_000)] | None = None


class Channel(ResourceModel):
    """Where alerts are told."""

    name: Name
    description: str | None = None
    kind: Literal["email", "webhook", "slack"]
    enabled: bool = True
    alert_types: list[Annotated[AlertType, Field(strict=False)]] = Field(default_factory=list, max_length=len(AlertType))
    """Only these; empty: all."""
    clusters: list[str] = Field(default_factory=list, max_length=1_000)
    """Only alerts about these; empty: all."""
    email: Email | None = None
    webhook: Webhook | None = None
    slack: Slack | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        kinds = ("email", "webhook", "slack")
        if getattr(self, self.kind) is None:
            raise ValueError(f"A channel of the kind {self.kind} needs {self.kind}.")
        if others := [kind for kind in kinds if kind != self.kind and getattr(self, kind) is not None]:
            raise ValueError(f"A channel of the kind {self.kind} has no {others[0]}. Leave it out.")
        return self


def is_wanted(channel: Document, alert: Document, /) -> bool:
    """Tell whether a channel is to tell an alert."""
    types, clusters = channel.get("alert_types"), channel.get("clusters")
    return (not types or alert["type"] in types) and (not clusters or alert.get("cluster") in clusters)


def told_of(alert: Document, /) -> dict[str, Any]:
    """Return what of an alert is told: a copy, since the alert may be deleted before it is delivered."""
    return {"id": alert["_id"], "raised_at": alert["_created"], **{key: alert[key] for key in _TOLD if alert.get(key)}}
