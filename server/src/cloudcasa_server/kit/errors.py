"""The error tree that crosses rooms: slug, status, sentence. Raised in services, rendered at the edge (rest-api.md 1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """Expected trouble. The text says what was tried, on what, what happened and what to do; no secrets."""

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"

    def __init__(self, text: str, *, issues: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Remember the sentence, the sentences by field (422) and extra headers."""
        super().__init__(text)
        self.text = text
        self.issues = dict(issues or {})
        self.headers = dict(headers or {})


class BadRequestError(AppError):
    """Malformed JSON, bad query grammar."""


class UnauthorizedError(AppError):
    """No credential, or one that is not known."""

    status = 401
    slug = "unauthorized"


class ForbiddenError(AppError):
    """Known, but not permitted."""

    status = 403
    slug = "forbidden"


class NotFoundError(AppError):
    """No such resource or document."""

    status = 404
    slug = "not-found"


class ConflictError(AppError):
    """The document's state does not allow the action."""

    status = 409
    slug = "conflict"


class PreconditionFailedError(AppError):
    """If-Match names another version."""

    status = 412
    slug = "precondition-failed"


class TooLargeError(AppError):
    """The body is larger than any document may be."""

    status = 413
    slug = "too-large"


class InvalidError(AppError):
    """The document is refused: `issues` says which field and why."""

    status = 422
    slug = "invalid"


class PreconditionRequiredError(AppError):
    """If-Match is missing on PUT or PATCH."""

    status = 428
    slug = "precondition-required"


class TooManyRequestsError(AppError):
    """Asked too often; the header Retry-After says when to ask again."""

    status = 429
    slug = "too-many-requests"


class NotBuiltError(AppError):
    """The request is understood, and what it asks for does not exist yet."""

    status = 501
    slug = "not-built"


class UnavailableError(AppError):
    """Something that the request needs is away; try again."""

    status = 503
    slug = "unavailable"
