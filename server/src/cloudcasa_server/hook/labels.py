"""Labels that choose objects, judged as Kubernetes will judge them. Pure. Used by hooks, backups and restores.

A key's values are separated by commas and mean OR, several keys mean AND (rest-api.md 2.5, 2.6). What is written so is stored and shown so; the agent
makes a selector of it. Source: Kubernetes documentation, "Labels and Selectors".
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_KEYS = 50
MAX_VALUES = 100
_MAX_NAME = 63
_MAX_PREFIX = 253
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RULE = f"up to {_MAX_NAME} letters, digits, '-', '_' and '.', with a letter or digit at both ends"


def check_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return the labels. Raises ValueError naming the first key or value that no object can have."""
    for key, text in labels.items():
        _check_key(key)
        _check_values(key, text)
    return labels


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not _is_name(name):
        raise ValueError(f'"{key[:80]}" is not the key of a label: after the optional "prefix/" it has {_RULE}.')
    if slash and (len(prefix) > _MAX_PREFIX or not _PREFIX.fullmatch(prefix)):
        raise ValueError(f'"{key[:80]}" is not the key of a label: before the "/" stands a DNS name, such as app.kubernetes.io/name.')


def _check_values(key: str, text: str) -> None:
    if text == "":
        return
    values = [value.strip() for value in text.split(",")]
    if len(values) > MAX_VALUES:
        raise ValueError(f'The label "{key[:80]}" has {len(values)} values; {MAX_VALUES} are allowed.')
    for value in values:
        if not value:
            raise ValueError(f'The label "{key[:80]}" has an empty value beside a comma. Write "a,b" for a or b.')
        if not _is_name(value):
            raise ValueError(f'"{value[:80]}" is not the value of a label ("{key[:80]}"): a value has {_RULE}.')


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


Labels = Annotated[dict[str, str], Field(max_length=MAX_KEYS), AfterValidator(check_labels)]
"""Keys and values of labels, as they were written."""
