"""The built-in templates: read from `templates/*.yaml`, put into their collection at the start of each server.

Their ids are written in the files and never change, since definitions name them; a template that a newer version drops is left in the
database for those who use it. docs/user/hooks.md says what each does and where its limits are.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ..kit.rest import Documents
from ..kit.store import Document, DuplicateKeyError, Update, eq
from .model import AppHook


@cache
def templates() -> tuple[Document, ...]:
    """Return the documents of all templates, as clients would send them, with their ids."""
    folder = files(__package__).joinpath("templates")
    texts = [each.read_text("utf-8") for each in sorted(folder.iterdir(), key=lambda each: each.name) if each.name.endswith(".yaml")]
    return tuple(_document(written) for text in texts for written in yaml.safe_load(text))


def _document(written: dict[str, Any]) -> Document:
    """Return a template as a hook: its script becomes the command, its application's labels choose the pods."""
    command = json.dumps(["/bin/sh", "-c", written["script"]])
    fields = {key: value for key, value in written.items() if key not in {"_id", "script", "labels"}}
    fields["description"] = " ".join(str(fields["description"]).split())
    fields["hook"] = [{"labels": written["labels"], "target": [{"command": command}]}]
    AppHook.model_validate_json(json.dumps(fields))
    return {"_id": written["_id"], **fields}


async def sync_templates(documents: Documents, /) -> None:
    """Bring the collection up to date. Several servers may do so at once: each writes the same."""
    for template in templates():
        new = documents.new(template)
        new["_etag"] = documents.etag(new)
        stored = await documents.find(new["_id"])
        if stored is None:
            await _insert(documents, new)
        elif stored["_etag"] != new["_etag"]:
            fields = {key: value for key, value in new.items() if key not in {"_id", "_created"}}
            await documents.collection.update(new["_id"], Update(set=fields), expected=eq("_etag", stored["_etag"]))


async def _insert(documents: Documents, new: Document) -> None:
    try:
        await documents.collection.insert(new)
    except DuplicateKeyError:
        return  # another server was faster
