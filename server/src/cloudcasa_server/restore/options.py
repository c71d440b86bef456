"""The options of a restore that have an effect, and Velero's rules for changing what is restored. Pure.

`options` is a free object of the original, whose keys come from its copies; it is stored and shown as it was sent, and keys that are not named
here have no effect. `existing_resources` and `resource_modifiers` are our own. Source: rest-api.md 2.7; velero v1.18.3,
internal/resourcemodifiers (read strictly there: an unknown key fails the restore).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..kit.errors import InvalidError

_MAX_BYTES = 256 * 1024
Text = Annotated[str, Field(max_length=4096)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        message = f"is no regular expression: {error}"
        raise ValueError(message) from error
    return text


class Match(_Strict):
    """A value that an object must have."""

    path: Text
    value: Text = ""


class LabelRequirement(_Strict):
    """A requirement on a label, as in Kubernetes."""

    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[Text] = Field(default_factory=list)


class LabelSelector(_Strict):
    """A selector, as in Kubernetes."""

    match_labels: dict[str, str] = Field(default_factory=dict, alias="matchLabels")
    match_expressions: list[LabelRequirement] = Field(default_factory=list, alias="matchExpressions")


class Conditions(_Strict):
    """Which objects a rule changes; namespaces by the names that they had."""

    group_resource: Annotated[str, Field(min_length=1, max_length=253)] = Field(alias="groupResource")
    namespaces: list[Text] = Field(default_factory=list)
    resource_name_regex: Annotated[Text, AfterValidator(_is_pattern)] | None = Field(default=None, alias="resourceNameRegex")
    label_selector: LabelSelector | None = Field(default=None, alias="labelSelector")
    matches: list[Match] = Field(default_factory=list)


class JsonPatch(_Strict):
    """One operation of a JSON patch; Velero takes the value as text."""

    operation: Literal["add", "remove", "replace", "test", "move", "copy"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    from_: Text | None = Field(default=None, alias="from")
    value: Text | None = None


class DataPatch(_Strict):
    """A merge patch or a strategic merge patch, as text."""

    patch_data: Annotated[str, Field(min_length=1, max_length=65536)] = Field(alias="patchData")


class ModifierRule(_Strict):
    """One rule of Velero's resource modifiers."""

    conditions: Conditions
    patches: list[JsonPatch] = Field(default_factory=list)
    merge_patches: list[DataPatch] = Field(default_factory=list, alias="mergePatches")
    strategic_patches: list[DataPatch] = Field(default_factory=list, alias="strategicPatches")

    @model_validator(mode="after")
    def _has_one_kind_of_patch(self) -> Self:
        if sum(map(bool, (self.patches, self.merge_patches, self.strategic_patches))) != 1:
            text = "A rule has patches, mergePatches or strategicPatches: exactly one of them."
            raise ValueError(text)
        return self


class RestoreOptions(BaseModel):
    """What is understood of `options`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    existing_resources: Literal["skip", "update"] = "skip"
    """What happens to an object that exists: nothing, or it is made like the one that was backed up. Volumes' data is never overwritten."""
    resource_modifiers: list[ModifierRule] = Field(default_factory=list, max_length=100)
    preserve_node_ports: bool | None = None
    pvc_file_parallelism: Annotated[int, Field(ge=1, le=256)] | None = None
    """Files of one volume that are read at a time."""

    @classmethod
    def of(cls, restore: Mapping[str, Any], /) -> Self:
        """Return the options of a restore. Raises InvalidError naming the key that cannot be."""
        given = restore.get("options") or {}
        try:
            options = cls.model_validate(given)
        except ValidationError as error:
            raise _refusal(error) from error
        if len(json.dumps(given.get("resource_modifiers") or [])) > _MAX_BYTES:
            raise InvalidError(_TOO_LARGE, issues={"options": {"resource_modifiers": _TOO_LARGE}})
        return options

    def modifier_rules(self) -> list[dict[str, Any]]:
        """Return the rules in Velero's form."""
        return [rule.model_dump(by_alias=True, exclude_unset=True) for rule in self.resource_modifiers]


_TOO_LARGE = (
    f"The rules are larger than {_MAX_BYTES // 1024} KiB, which is more than Kubernetes keeps beside all else. Use fewer or shorter ones."
)


def _refusal(error: ValidationError) -> InvalidError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    message = f"options.{path}: {first['msg']}."
    return InvalidError(message, issues={"options": {str(first["loc"][0]): message}})
