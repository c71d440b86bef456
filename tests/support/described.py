"""Whether an answer is one that the description allows: its status, and every field of its body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema_rs

Part = Mapping[str, Any]


@dataclass
class Described:
    """A description, asked about answers. Give it the strict form, which knows every field."""

    document: Part
    _validators: dict[str, jsonschema_rs.Draft202012Validator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the paths' patterns, fixed ones before those with parameters."""
        paths = sorted(self.document["paths"], key=lambda path: ("{" in path, path))
        self._patterns = [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths]

    def operation(self, method: str, path: str) -> Part | None:
        """Return the operation of a request, or None when it is not described."""
        found = next((template for pattern, template in self._patterns if pattern.fullmatch(path)), None)
        operation: Part | None = self.document["paths"][found].get(method.lower()) if found else None
        return operation

    def problem(self, response: httpx.Response) -> str:
        """Return what is wrong with an answer; nothing when it is as described, or when its request is not."""
        operation = self.operation(response.request.method, response.request.url.path)
        return self.problem_of(operation, response) if operation else ""

    def problem_of(self, operation: Part, response: httpx.Response) -> str:
        """Return what is wrong with an answer of an operation."""
        told = operation["responses"].get(str(response.status_code))
        place = f"{response.request.method} {response.request.url.path} answered {response.status_code}"
        if told is None:
            return f"{place}, which is not described: {response.text[:300]}"
        schema = self._resolved(told).get("content", {}).get("application/json", {}).get("schema")
        if schema is None or not response.content:
            return ""
        wrong = [
            f"{error.message} at {'/'.join(map(str, error.instance_path))}"
            for error in self._validator(schema).iter_errors(response.json())
        ]
        return f"{place}: {'; '.join(wrong[:5])}" if wrong else ""

    def _resolved(self, part: Part) -> Part:
        name = part.get("$ref", "").rpartition("/")[2]
        resolved: Part = self.document["components"]["responses"][name] if name else part
        return resolved

    def _validator(self, schema: Part) -> jsonschema_rs.Draft202012Validator:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator({**schema, "components": self.document["components"]})
        return self._validators[key]
