# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The decision that modules with O(state) share: what there is, what is wanted, what to do about it. Pure but for two calls.

from __future__ import annotations

import typing as t

from ._api import Document
from ._resources import Resource

HIDDEN = "VALUE_NOT_SHOWN"
CREDENTIAL_KEYS = frozenset({"access_key", "secret_key", "client_secret", "credentials", "repo_password"})


class Outcome(t.NamedTuple):
    """What was done, or in check mode would be done, to one document."""

    changed: bool
    document: Document | None
    diff: Document


def ensure_present(resource: Resource, *, have: Document | None, wanted: Document, check_mode: bool, force: bool = False) -> Outcome:
    """Create or update a document so that it has what is wanted; what is not mentioned stays as it is.

    With force the update is made even where nothing that can be compared differs.
    """
    before = resource.settings(have)
    after = {name: value for name, value in {**before, **wanted}.items() if value is not None}
    if have is not None and not force and same(before, after):
        return Outcome(changed=False, document=have, diff=diff_of(before, after))
    if check_mode:
        document = masked({**(have or {}), **after})
    elif have is None:
        document = resource.create(after)
    else:
        document = resource.update(have, after)
    return Outcome(changed=True, document=document, diff=diff_of(before, after))


def ensure_absent(resource: Resource, *, have: Document | None, check_mode: bool) -> Outcome:
    """Delete a document where there is one."""
    if have is None:
        return Outcome(changed=False, document=None, diff=diff_of({}, {}))
    if not check_mode:
        resource.delete(have)
    return Outcome(changed=True, document=None, diff=diff_of(resource.settings(have), {}))


def same(have: t.Any, wanted: t.Any) -> bool:
    """Tell whether two values mean the same to the server: an absent key and an empty value are alike."""
    if isinstance(have, dict) and isinstance(wanted, dict):
        return all(same(have.get(name), wanted.get(name)) for name in {*have, *wanted})
    if have in (None, "", [], {}, False) and wanted in (None, "", [], {}, False):
        return True
    return bool(have == wanted)


def diff_of(before: Document, after: Document) -> Document:
    """Return a diff as Ansible shows it, without secrets."""
    return {"before": masked(before), "after": masked(after)}


def masked(value: t.Any) -> t.Any:
    """Return a copy in which every credential is hidden."""
    if isinstance(value, dict):
        return {name: HIDDEN if name in CREDENTIAL_KEYS and item else masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value
