"""The model that everything on the wire is made of, and the identifiers.

Unknown fields are ignored on receipt: with `extra="forbid"` every new field would be a new protocol version.
"""

from __future__ import annotations

from typing import Annotated, NewType

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr

ClusterId = NewType("ClusterId", str)
CommandId = NewType("CommandId", str)
JobId = NewType("JobId", str)


class WireModel(BaseModel):
    """A frozen value that crosses the wire."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


WireSecret = Annotated[SecretStr, PlainSerializer(lambda value: value.get_secret_value(), return_type=str, when_used="json")]
"""A secret that is written in clear into a frame (inside TLS) and nowhere else: repr, logs and python dumps show stars."""

KubernetesName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of a Kubernetes object that we make."""
