"""What the server shows of API keys beside what clients set, for the API's description. Source: rest-api.md 2.15."""

from __future__ import annotations

from ..kit.rest import ShownModel


class ApiKeyShown(ShownModel):
    """The server's part of an API key."""

    snippet: str
    """The end of the key, to tell it from others."""
    api_key: str | None = None
    """The key itself: only in the answer to the POST that made it."""


EXAMPLE = {"name": "terraform", "description": "The pipeline of the shop"}
