"""The Kubernetes API over raw dicts: the only room that uses the kubernetes library."""

from .client import Event, EventKind, JsonObject, KubeClient, Listing
from .errors import AlreadyExistsError, ConflictError, KubeError, KubeUnavailableError, NotFoundError
from .resources import Resource

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "Event",
    "EventKind",
    "JsonObject",
    "KubeClient",
    "KubeError",
    "KubeUnavailableError",
    "Listing",
    "NotFoundError",
    "Resource",
]
