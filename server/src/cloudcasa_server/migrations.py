"""The numbered migrations of the database, oldest first: one line each. What each does is declared in the room whose documents it changes.

Numbers are what databases remember: they are never reused, and a migration that was released is never changed or taken out.
"""

from __future__ import annotations

from .identity.upgrade import name_roles
from .kit.migration import Migration
from .policy.plan import planned

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "Name the roles of API keys as they are listed", "apikeys", name_roles),
    Migration(2, "Work out the next runs of backups", "kubebackups", planned),
)
