"""Everything that people sign in with, put together; and what is done about it beside the requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..kit.clock import Clock
from ..kit.crypto import Vault
from ..kit.rest import Documents, Resource
from ..kit.settings import Settings
from ..kit.store import Index, Store
from . import invitations, sessions, throttle
from .accounts import Accounts
from .authenticator import KnownCallers
from .entrance import Entrance
from .grants import principal_of_user
from .groups import USERGROUPS
from .invitations import ORGINVITES
from .links import Links
from .memberships import USERORGS, Memberships
from .oidc import AdmissionRules, Arrivals, Flows, Providers
from .orgs import ORGS, the_organisation
from .passwords import Cost, Passwords
from .preferences import Preferences
from .service import ApiKeys
from .sessions import Sessions
from .signin import Doorway
from .throttle import Throttle
from .users import LOCAL, USERS

INDEXES: Mapping[str, Sequence[Index]] = {sessions.COLLECTION: sessions.INDEXES, throttle.COLLECTION: throttle.INDEXES}
"""Of the collections that are no resources."""


@dataclass(frozen=True, slots=True)
class People:
    """The services of signing in."""

    orgs: Documents
    users: Documents
    callers: KnownCallers
    sessions: Sessions
    accounts: Accounts
    entrance: Entrance
    memberships: Memberships
    links: Links
    preferences: Preferences
    doorway: Doorway
    providers: Providers
    flows: Flows
    arrivals: Arrivals

    @property
    def services(self) -> tuple[object, ...]:
        """Return what the routes ask for."""
        local = (self.sessions, self.accounts, self.entrance, self.memberships, self.links, self.preferences, self.doorway)
        return (*local, self.providers, self.flows, self.arrivals)

    async def prepare(self) -> None:
        """Make what a first start needs."""
        await the_organisation(self.orgs)

    async def tidy(self) -> None:
        """Drop what is over, and mark invitations that nobody accepted in time. Safe in several processes at once."""
        await self.sessions.prune()
        await self.accounts.throttle.prune()
        await invitations.expire(self.users.store, now=self.users.clock.timestamp())

    def close(self) -> None:
        """Let go of threads."""
        self.accounts.passwords.close()


def wire_people(settings: Settings, *, store: Store, vault: Vault, clock: Clock, keys: ApiKeys) -> People:
    """Return the services of signing in, as the settings say."""

    def documents(resource: Resource) -> Documents:
        return Documents(resource, store=store, clock=clock, vault=vault)

    users = documents(USERS)
    passwords = Passwords(Cost(settings.password_memory_kib, settings.password_passes, settings.password_lanes))
    links = Links(clock, settings.public_url, settings.link_seconds)
    members = Memberships(documents(USERORGS), documents(ORGS), documents(USERGROUPS), settings.default_role)
    known = Sessions(
        store=store,
        clock=clock,
        principal_of=partial(principal_of_user, store=store),
        idle_seconds=settings.session_idle_seconds,
        lifetime_seconds=settings.session_lifetime_seconds,
    )
    entrance = Entrance(users, documents(ORGINVITES), members, passwords)
    return People(
        orgs=documents(ORGS),
        users=users,
        callers=KnownCallers(keys, known, settings.public_url),
        sessions=known,
        accounts=Accounts(users, passwords, Throttle(store, clock, vault.digest), links, settings.local_login),
        entrance=entrance,
        memberships=members,
        links=links,
        preferences=Preferences(store),
        doorway=Doorway(settings.public_url, _ways(settings)),
        providers=Providers(settings.oidc_providers, public_url=settings.public_url, clock=clock),
        flows=Flows(vault, clock),
        arrivals=Arrivals(entrance, _rules(settings)),
    )


def _ways(settings: Settings) -> tuple[Mapping[str, str], ...]:
    """Return the ways to sign in, as the login page shows them."""
    local = [{"id": LOCAL, "name": "Password", "type": "local"}] if settings.local_login else []
    others = [{"id": one.id, "name": one.name, "type": "oidc", "start": f"/api/v1/auth/{one.id}/start"} for one in settings.oidc_providers]
    return (*local, *others)


def _rules(settings: Settings) -> AdmissionRules:
    return AdmissionRules(
        providers=frozenset(one.id for one in settings.oidc_providers),
        allowed_users=settings.auth_allowed_users,
        allowed_groups=settings.auth_allowed_user_groups,
        siteadmin_users=settings.auth_siteadmin_users,
        siteadmin_groups=settings.auth_siteadmin_user_groups,
        group_roles=settings.auth_group_roles,
    )
