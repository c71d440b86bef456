# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# From the server's documents to what modules return, and from names in tasks to references.

from __future__ import annotations

import typing as t

from ._api import Document
from ._resources import Resource

TEXT_MAPS = frozenset({"tags", "label_selector", "namespace_map", "storage_class_map"})
PROMOTED = {"_id": "id", "_etag": "etag", "_created": "created", "_updated": "updated"}


def represent(document: Document | None) -> Document:
    """Return a document as modules show it: C(id) instead of C(_id), no links."""
    if not document:
        return {}
    promoted = {shown: document[name] for name, shown in PROMOTED.items() if name in document}
    return {**promoted, **{name: value for name, value in document.items() if not name.startswith("_")}}


def reference(resource: Resource, name_or_id: str, *, check_mode: bool, where: Document | None = None) -> str:
    """Return the id behind a name.

    In check mode a name that is not there yet stands for itself: an earlier task of the same play would have made it.
    """
    if not check_mode:
        return str(resource.get(name_or_id, where=where)["_id"])
    document = resource.find(name_or_id, where=where)
    return str(document["_id"]) if document else name_or_id


def own_name(have: Document | None, given: str) -> str:
    """Return the name to keep: a task may name a thing by its id, which must not become its name."""
    return str(have["name"]) if have and have.get("_id") == given else given


def given(params: t.Mapping[str, t.Any], names: t.Mapping[str, str]) -> Document:
    """Return the wire fields of those options that the task sets: {option: field}."""
    return {field: _wire(option, params[option]) for option, field in names.items() if params.get(option) is not None}


def _wire(option: str, value: t.Any) -> t.Any:
    """Labels and the like are texts on the server, also where YAML reads a number: {O(tags): {year: 2026}}."""
    return {str(name): str(item) for name, item in value.items()} if option in TEXT_MAPS else value
