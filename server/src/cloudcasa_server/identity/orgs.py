"""The resource `orgs`: the one organisation of an installation, made at the first start. Source: rest-api.md 2.15."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..kit.errors import InvalidError
from ..kit.rest import Docs, Documents, Name, Reference, Resource, ResourceModel, Unique
from ..kit.store import Document
from .shown import ORG_EXAMPLE, OrgShown

COUNTERS = (
    "total_copy_quota",
    "total_copy_data",
    "timed_total_copy_data",
    "total_snapshot_data",
    "protected_storage_size",
    "backup_storage_size",
)
NAME = "organisation"


class DefaultStorage(ResourceModel):
    """Where copies go that name no object store, of clusters that name none either."""

    type: str = Field("", max_length=60)
    region: str = Field("", max_length=60)
    user_objectstore: Reference | None = None


class Organisation(ResourceModel):
    """Client-settable fields."""

    name: Name
    display_name: str = Field("", max_length=200)
    subscription: str = Field("free", max_length=60)
    billing_admin: str = Field("", max_length=254)
    country: str = Field("", max_length=60)
    backup_provider: DefaultStorage | None = None
    tags: dict[str, str] = Field(default_factory=dict)


def _counters() -> dict[str, Any]:
    return {**dict.fromkeys(COUNTERS, 0), "only": True}


ORGS = Resource(
    name="orgs",
    title="Org",
    noun="organisation",
    model=Organisation,
    defaults={"subscription": "free"},
    initial=_counters,
    hidden=frozenset({"only"}),
    references={"backup_provider.user_objectstore": "objectstores"},
    unique=(Unique(("only",), "There is one organisation in an installation, and it exists already."),),
    methods=frozenset({"list", "get", "replace", "patch"}),
    is_shared=True,
    docs=Docs(shown=OrgShown, example=ORG_EXAMPLE),
)
"""`only` holds true in each, and must be unique: so two that start at once make one."""


async def the_organisation(documents: Documents, /) -> Document:
    """Return the organisation, which is made when there is none."""
    found = await documents.collection.find(limit=1)
    if found:
        return found[0]
    try:
        return await documents.insert(documents.new({"name": NAME}))
    except InvalidError:
        return (await documents.collection.find(limit=1))[0]
