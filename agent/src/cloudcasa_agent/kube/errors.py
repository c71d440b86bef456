"""What can go wrong at the Kubernetes API, as a tree of our own: no other room sees an exception of the library."""

from __future__ import annotations

from cloudcasa_agent.kit.errors import AgentError


class KubeError(AgentError):
    """The API server refused a request."""

    slug = "kubernetes-error"

    def __init__(self, text: str, *, status: int = 0) -> None:
        """Keep the HTTP status, 0 when there was no answer."""
        super().__init__(text)
        self.status = status


class NotFoundError(KubeError):
    """The object, or its kind, does not exist."""


class ConflictError(KubeError):
    """Somebody else changed the object, or it is in the way."""


class AlreadyExistsError(ConflictError):
    """An object of this name exists."""


class GoneError(KubeError):
    """The resource version is too old: list again."""


class ForbiddenError(KubeError):
    """The agent's service account may not do this."""

    slug = "kubernetes-forbidden"
    remedy = "Apply the manifest of the cluster again: it contains the rights that the agent needs."


class KubeUnavailableError(KubeError):
    """The API server did not answer, or cannot serve now."""

    slug = "kubernetes-unavailable"
    remedy = "Check that the cluster's API server is up; the agent goes on by itself when it is."


def error_for(*, status: int, reason: str, text: str) -> KubeError:
    """Return the error for an HTTP status and the `reason` of the Status object."""
    if status == 409 and reason == "AlreadyExists":  # noqa: PLR2004
        return AlreadyExistsError(text, status=status)
    kind = _BY_STATUS.get(status, KubeUnavailableError if status >= 500 else KubeError)  # noqa: PLR2004
    return kind(text, status=status)


_BY_STATUS: dict[int, type[KubeError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    429: KubeUnavailableError,
}
