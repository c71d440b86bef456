"""The parameters of a list other than its filter: sort, page, max_results, projection (rest-api.md 1.7)."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..errors import BadRequestError
from ..store import ALL, Query
from .resource import Resource
from .where import check_path, is_field, parse_object, parse_where

DEFAULT_RESULTS = 100
"""Page size when none is asked for: Rancher's extension never pages (rest-api.md 8.13)."""
MAX_RESULTS = 1_000
MAX_SKIP = 2**31
MAX_SORT_KEYS = 8
MAX_PROJECTION = 200
KEPT = ("_id", "_etag", "_created", "_updated")

_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list request asks for."""

    query: Query = ALL
    sort: tuple[tuple[str, int], ...] = ()
    page: int = 1
    max_results: int = DEFAULT_RESULTS
    projection: Mapping[str, bool] | None = None

    @property
    def skip(self) -> int:
        """Return how many documents come before the page."""
        return (self.page - 1) * self.max_results


def parse_parameters(query_string: bytes) -> dict[str, str]:
    """Return the parameters of a raw query string; of repeated ones the last. Raises BadRequestError when it is not UTF-8."""
    try:
        return dict(parse_qsl(query_string.decode(), keep_blank_values=True, max_num_fields=100, errors="strict"))
    except ValueError as e:
        raise BadRequestError(f"The query string cannot be read: {e}.") from e


def parse_listing(parameters: Mapping[str, str], resource: Resource) -> Listing:
    """Return what the parameters ask for. Raises BadRequestError."""
    return Listing(
        query=parse_where(parameters.get("where"), resource),
        sort=parse_sort(parameters.get("sort"), resource),
        page=_number(parameters, "page", 1),
        max_results=min(_number(parameters, "max_results", DEFAULT_RESULTS), MAX_RESULTS),
        projection=parse_projection(parameters.get("projection")),
    )


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, "").strip()
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise BadRequestError(f'The parameter "{name}" must be a whole number from 1, not "{text[:20]}".')
    return int(text)


def parse_sort(text: str | None, resource: Resource) -> tuple[tuple[str, int], ...]:
    """Return the sort keys of `-start_time`, `city, -lastname` or `[("name", -1)]`."""
    if text is None or not text.strip():
        return ()
    keys = _listed(text) if text.strip().startswith("[") else _signed(text)
    if len(keys) > MAX_SORT_KEYS:
        raise BadRequestError(f"The sort has {len(keys)} keys; {MAX_SORT_KEYS} are allowed.")
    for path, _ in keys:
        check_path(path, resource, "sort by")
    return tuple(dict(keys).items())


def _signed(text: str) -> list[tuple[str, int]]:
    words = [word.strip() for word in text.split(",")]
    return [(word.lstrip("-+").strip(), -1 if word.startswith("-") else 1) for word in words if word]


def _listed(text: str) -> list[tuple[str, int]]:
    if len(text) > 2048:  # noqa: PLR2004 -- enough for eight keys
        raise BadRequestError("The sort is too long.")
    try:
        value: Any = ast.literal_eval(text.strip())
        keys = [(path, direction) for path, direction in value]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as e:
        raise BadRequestError('The sort cannot be read. Write "name,-start_time" or [("name", 1), ("start_time", -1)].') from e
    if not all(isinstance(path, str) and isinstance(direction, int) and direction in {1, -1} for path, direction in keys):
        raise BadRequestError("Each sort key is a field's name and 1 or -1.")
    return [(path, int(direction)) for path, direction in keys]


def parse_projection(text: str | None) -> Mapping[str, bool] | None:
    """Return {path: keep} of `{"field": 1}` or `{"field": 0}`; the envelope always stays."""
    if text is None or not text.strip():
        return None
    wanted = parse_object(text, "projection")
    if len(wanted) > MAX_PROJECTION or not all(isinstance(keep, int) and keep in {0, 1} for keep in wanted.values()):
        raise BadRequestError('The parameter "projection" maps fields to 1 (only these) or 0 (without these).')
    asked = {path: bool(keep) for path, keep in wanted.items() if path not in {*KEPT, "_links"}}
    if not asked:
        return dict.fromkeys(KEPT, True) if any(wanted.values()) else None
    if len(set(asked.values())) > 1:
        raise BadRequestError('The parameter "projection" cannot both keep and leave out fields.')
    for path in asked:
        if not is_field(path):
            raise BadRequestError(f'Cannot project "{path[:60]}": that is not the name of a field.')
    asked = {path: keep for path, keep in asked.items() if not any(path.startswith(f"{other}.") for other in asked)}
    return dict.fromkeys(KEPT, True) | asked if any(asked.values()) else asked


def page_links(resource: Resource, listing: Listing, total: int, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the `_links` of a page."""

    def link(title: str, page: int) -> dict[str, str]:
        words = {**parameters, "page": str(page)} if page != 1 else {key: value for key, value in parameters.items() if key != "page"}
        return {"title": title, "href": f"/v1/{resource.name}{'?' + urlencode(words) if words else ''}"}

    last = max(1, -(-total // listing.max_results))
    links = {"parent": {"title": "home", "href": "/"}, "self": link(resource.name, listing.page)}
    if listing.page < last:
        links |= {"next": link("next page", listing.page + 1), "last": link("last page", last)}
    if listing.page > 1:
        links["prev"] = link("previous page", min(listing.page - 1, last))
    return links
