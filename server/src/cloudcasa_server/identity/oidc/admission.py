"""Who of a provider's people may come in, and with which roles: the operator's lists (rest-api.md 2.15). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..emails import find_email
from .claims import Person

ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The lists of the settings."""

    providers: frozenset[str] = frozenset()
    """The ids of all providers: what stands before a colon of an entry, where it is one of these."""
    allowed_users: Sequence[str] = ()
    allowed_groups: Sequence[str] = ()
    siteadmin_users: Sequence[str] = ()
    siteadmin_groups: Sequence[str] = ()
    group_roles: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def is_siteadmin(self, person: Person, *, provider: str) -> bool:
        """Tell whether the person is an administrator of everything."""
        return _has_user(self.siteadmin_users, person, provider=provider) or self._has_group(
            self.siteadmin_groups, person, provider=provider
        )

    def lets_in(self, person: Person, *, provider: str) -> bool:
        """Tell whether the person needs no invitation."""
        is_allowed = _has_user(self.allowed_users, person, provider=provider) or self._has_group(
            self.allowed_groups, person, provider=provider
        )
        return is_allowed or self.is_siteadmin(person, provider=provider)

    def roles(self, person: Person, *, provider: str) -> list[str]:
        """Return the names of the roles that the provider's groups bring."""
        brought = [ADMIN] if self.is_siteadmin(person, provider=provider) else []
        for group, roles in self.group_roles.items():
            if self._has_group([group], person, provider=provider):
                brought += roles
        return list(dict.fromkeys(brought))

    def _has_group(self, groups: Iterable[str], person: Person, *, provider: str) -> bool:
        """Tell whether the person is in one of the groups: by provider and name, or by name where that does not say another provider."""
        wanted = set(groups)
        others = tuple(f"{one}:" for one in self.providers if one != provider)
        return any((group in wanted and not group.startswith(others)) or f"{provider}:{group}" in wanted for group in person.groups)


def _has_user(users: Iterable[str], person: Person, *, provider: str) -> bool:
    """Tell whether a list names the person, by an address that the provider vouches for; or by provider and address."""
    key = find_email(person.email) if person.is_verified else None
    return key is not None and any(find_email(user.removeprefix(f"{provider}:")) == key for user in users)
