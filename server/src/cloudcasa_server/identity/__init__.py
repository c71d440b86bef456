"""Who calls, what they may do, and the record of what they did: people and their sessions, API keys, roles, the audit log."""

from .address import ClientAddress
from .audit import AUDITLOGS, AuditLog
from .caches import Caches
from .declaration import declare_people
from .people import INDEXES as PEOPLE_INDEXES
from .people import People, wire_people
from .resource import APIKEYS, KeyQuota
from .rolebook import seed_roles
from .roles import ROLES
from .service import ApiKeys, new_key

__all__ = [
    "APIKEYS",
    "AUDITLOGS",
    "PEOPLE_INDEXES",
    "ROLES",
    "ApiKeys",
    "AuditLog",
    "Caches",
    "ClientAddress",
    "KeyQuota",
    "People",
    "declare_people",
    "new_key",
    "seed_roles",
    "wire_people",
]
