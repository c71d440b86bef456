"""The filter grammar: `where=` from a client becomes a query tree, through an allow-list (rest-api.md 1.7).

Refused with 400 and a sentence: operators that are not listed ($where and $regex among them), paths that are hidden or write-only (a filter
on a secret is a way to guess it), and filters larger than any client needs. Ids match in any case; RFC 1123 dates become seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import BadRequestError
from ..ids import is_id
from ..store import ALL, And, Compare, ElemMatch, Exists, In, Not, Or, Query, Size
from . import paths
from .resource import Resource

MAX_CHARACTERS = 65_536
MAX_DEPTH = 8
MAX_VALUES = 1_000
"""Largest number of values in one $in or $nin."""
MAX_CONDITIONS = 200
"""Largest number of comparisons in a filter, and of filters in one $and, $or or $nor. Each value of $all is one."""
MAX_VALUE_DEPTH = 16
"""Deepest value to compare with: databases refuse what is nested too deeply, and each level is a step of recursion."""
MAX_PATH = 256
MAX_SEGMENTS = 16
"""Deepest path: each segment makes the database's work on every row longer."""

_COMPARE = frozenset({"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"})
_OFFERED = "$eq, $ne, $lt, $lte, $gt, $gte, $in, $nin, $exists, $not, $all, $size, $elemMatch, $and, $or, $nor"
_DATES = frozenset({"_created", "_updated"})
_RFC1123 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def parse_where(text: str | None, resource: Resource) -> Query:
    """Return the query tree of a `where` parameter; none or blank matches everything. Raises BadRequestError."""
    if text is None or not text.strip():
        return ALL
    if len(text) > MAX_CHARACTERS:
        raise BadRequestError(f"The filter is {len(text)} characters long; {MAX_CHARACTERS} are allowed.")
    return _Parser(resource).document(parse_object(text, "where"), "", 1)


def parse_object(text: str, parameter: str) -> dict[str, Any]:
    """Return the JSON object in a query parameter, blanks and newlines around and inside it allowed. Raises BadRequestError."""
    try:
        value = orjson.loads(text.strip())
    except (orjson.JSONDecodeError, UnicodeEncodeError) as e:
        raise BadRequestError(f'The parameter "{parameter}" is not JSON: {e}.') from e
    if not isinstance(value, dict):
        raise BadRequestError(f'The parameter "{parameter}" must be a JSON object, such as {{"name": "a"}}.')
    return value


class _Parser:
    """One filter being read; counts its conditions."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._conditions = 0
        self._operators: dict[str, Callable[[str, str, Any, int], Query]] = {
            "$in": lambda path, full, value, _: In(path, self._values("$in", full, value)),
            "$nin": lambda path, full, value, _: Not(In(path, self._values("$nin", full, value))),
            "$all": self._all,
            "$exists": lambda path, _, value, __: Exists(path, bool(value)),
            "$size": lambda path, full, value, _: Size(path, _length(full, value)),
            "$not": self._not,
            "$elemMatch": self._element,
        }

    def document(self, where: dict[str, Any], prefix: str, depth: int) -> Query:
        """Return the tree of an object of conditions whose paths start at `prefix`."""
        if depth > MAX_DEPTH:
            raise BadRequestError(f"The filter is nested too deeply; {MAX_DEPTH} levels are allowed.")
        parts = [self._member(key, value, prefix, depth) for key, value in where.items()]
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _member(self, key: str, value: Any, prefix: str, depth: int) -> Query:
        if key in {"$and", "$or", "$nor"}:
            return self._combined(key, value, prefix, depth)
        if key.startswith("$"):
            raise _unknown(key)
        return self._field(key, value, prefix, depth)

    def _combined(self, key: str, value: Any, prefix: str, depth: int) -> Query:
        if not isinstance(value, list) or not value or len(value) > MAX_CONDITIONS or not all(isinstance(one, dict) for one in value):
            raise BadRequestError(f'"{key}" takes a list of 1 to {MAX_CONDITIONS} filters.')
        parts = tuple(self.document(one, prefix, depth + 1) for one in value)
        if key == "$and":
            return And(parts)
        return Or(parts) if key == "$or" else Not(Or(parts))

    def _field(self, path: str, value: Any, prefix: str, depth: int) -> Query:
        full = f"{prefix}.{path}" if prefix else path
        check_path(full, self._resource, "filter on")
        if isinstance(value, dict) and any(key.startswith("$") for key in value):
            return self._operated(path, full, value, depth)
        self._count()
        return Compare(path, "eq", self._cast(full, value))

    def _operated(self, path: str, full: str, value: dict[str, Any], depth: int) -> Query:
        if depth > MAX_DEPTH:
            raise BadRequestError(f"The filter is nested too deeply; {MAX_DEPTH} levels are allowed.")
        parts = [self._operator(path, full, operator, one, depth) for operator, one in value.items()]
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _operator(self, path: str, full: str, operator: str, value: Any, depth: int) -> Query:
        self._count()
        if operator in _COMPARE:
            return self._compare(path, full, operator, value)
        if operator not in self._operators:
            raise _unknown(operator)
        return self._operators[operator](path, full, value, depth)

    def _compare(self, path: str, full: str, operator: str, value: Any) -> Query:
        if operator not in {"$eq", "$ne"} and isinstance(value, dict | list):
            raise BadRequestError(f'"{operator}" on "{full}" takes a plain value, not an object or a list.')
        op: Any = operator.removeprefix("$")
        return Compare(path, op, self._cast(full, value))

    def _not(self, path: str, full: str, value: Any, depth: int) -> Query:
        if not path or not isinstance(value, dict) or not value:
            raise BadRequestError(f'"$not" on "{full}" takes operators, such as {{"$not": {{"$gt": 1}}}}.')
        return Not(self._operated(path, full, value, depth + 1))

    def _all(self, path: str, full: str, value: Any, _: int) -> Query:
        """Return one condition for each value: unlike those of $in, databases look for them one by one."""
        values = self._values("$all", full, value)
        for _one in values[1:]:
            self._count()
        return And(tuple(Compare(path, "eq", one) for one in values)) if values else Or(())

    def _element(self, path: str, full: str, value: Any, depth: int) -> Query:
        if not path or not isinstance(value, dict) or not value:
            raise BadRequestError(f'"$elemMatch" on "{full}" takes a filter of its elements.')
        if not all(key.startswith("$") for key in value) or {"$and", "$or", "$nor"} & set(value):
            return ElemMatch(path, self.document(value, full, depth + 1))
        if bad := set(value) - _COMPARE - {"$in"} - {"$size"} or ({"$ne"} & set(value)):
            raise BadRequestError(f'"$elemMatch" on "{full}" cannot use {", ".join(sorted(bad))} on an element itself.')
        return ElemMatch(path, self._operated("", full, value, depth + 1))

    def _values(self, operator: str, full: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise BadRequestError(f'"{operator}" on "{full}" takes a list.')
        if len(value) > MAX_VALUES:
            raise BadRequestError(f'"{operator}" on "{full}" has {len(value)} values; {MAX_VALUES} are allowed.')
        return tuple(self._cast(full, one) for one in value)

    def _cast(self, full: str, value: Any) -> Any:
        """Return the value as it would be stored: ids in lower case, dates as seconds, synonyms replaced."""
        path = paths.strip_indexes(full)
        if not isinstance(value, str):
            return check_value(value)
        if path in _DATES and _RFC1123.fullmatch(value):
            return _seconds(value)
        if (path == "_id" or path in self._resource.references) and is_id(value.lower()):
            return value.lower()
        return self._resource.synonyms.get(path, {}).get(value, value)

    def _count(self) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise BadRequestError(f"The filter has more than {MAX_CONDITIONS} conditions.")


def is_field(path: str) -> bool:
    """Tell whether a dotted path may be a field's: bounded, without empty parts, operators and NUL."""
    if not path or len(path) > MAX_PATH or "\0" in path:
        return False
    parts = path.split(".")
    return len(parts) <= MAX_SEGMENTS and all(part and not part.startswith("$") for part in parts)


def check_path(path: str, resource: Resource, doing: str) -> None:
    """Refuse a path that is malformed or must not be asked about."""
    if not is_field(path):
        raise BadRequestError(f'Cannot {doing} "{path[:60]}": that is not the name of a field.')
    plain = paths.strip_indexes(path)
    if any(paths.overlaps(plain, secret) for secret in (*resource.write_only, *resource.hidden)):
        raise BadRequestError(f'Cannot {doing} "{path[:60]}": this field cannot be queried.')


def check_value(value: Any) -> Any:
    """Return a value to compare with. Refuses what no document holds: operators, huge integers, absurd nesting."""
    level = [value]
    for _ in range(MAX_VALUE_DEPTH):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                _check_keys(one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            else:
                _check_number(one)
        if not below:
            return value
        level = below
    raise BadRequestError(f"A value in the filter is nested more than {MAX_VALUE_DEPTH} levels deep.")


def _check_keys(value: dict[str, Any]) -> None:
    for key in value:
        if key.startswith("$") or "\0" in key:
            raise BadRequestError(f'The filter compares with an object that has the key "{key[:40]}"; no stored key is like that.')


def _check_number(value: Any) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadRequestError(f"The number {value} does not fit 64 bits.")


def _length(full: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadRequestError(f'"$size" on "{full}" takes a whole number.')
    _check_number(value)
    return value


def _seconds(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except ValueError as e:
        raise BadRequestError(f'"{text}" is not a date.') from e


def _unknown(operator: str) -> BadRequestError:
    return BadRequestError(f'The filter uses "{operator[:40]}", which is not offered. Use {_OFFERED}.')
