"""The REST dialect, once: a resource is a declaration on top of it (rest-api.md 1)."""

from .access import (
    ANONYMOUS,
    EVERYTHING,
    EVERYWHERE,
    SYSTEM,
    Access,
    Authenticator,
    Grant,
    Principal,
    Scope,
    known_access,
    open_access,
    requires,
)
from .answers import error_response, install_error_handlers, json_response
from .api import PREFIX, Handler, RestApi, routes_without_access
from .belonging import Belonging, within
from .body import read_bytes, read_object
from .context import RequestContext, Services
from .docs import About, Docs, RouteDocs, summary_of
from .documents import Documents, indexes_of, present
from .recording import Change, NoRecorder, Outcome, Recorder
from .resource import ALL_METHODS, READ_METHODS, Hooks, Resource, Unique
from .types import Name, Reference, ResourceModel, ShownModel, Tags
from .validation import merged, parse

__all__ = [
    "ALL_METHODS",
    "ANONYMOUS",
    "EVERYTHING",
    "EVERYWHERE",
    "PREFIX",
    "READ_METHODS",
    "SYSTEM",
    "About",
    "Access",
    "Authenticator",
    "Belonging",
    "Change",
    "Docs",
    "Documents",
    "Grant",
    "Handler",
    "Hooks",
    "Name",
    "NoRecorder",
    "Outcome",
    "Principal",
    "Recorder",
    "Reference",
    "RequestContext",
    "Resource",
    "ResourceModel",
    "RestApi",
    "RouteDocs",
    "Scope",
    "Services",
    "ShownModel",
    "Tags",
    "Unique",
    "error_response",
    "indexes_of",
    "install_error_handlers",
    "json_response",
    "known_access",
    "merged",
    "open_access",
    "parse",
    "present",
    "read_bytes",
    "read_object",
    "requires",
    "routes_without_access",
    "summary_of",
    "within",
]
