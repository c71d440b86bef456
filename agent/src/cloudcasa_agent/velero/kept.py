"""The output of a restore that took away what it left on the cluster: kept until nobody can ask for it any more.

A command is delivered again when the agent died before the server had its result. By then the Restore is gone, so it would run once more.
"""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta

from cloudcasa_contract.commands import COMMAND_LABEL, RestoreOutput

from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.kube.resources import CONFIG_MAPS

from .drive import Drive
from .resources import KEPT_LABEL

KEPT_FOR = timedelta(days=7)
_KEY = "output"
_MAX_BYTES = 900_000
"""A ConfigMap holds a MiB."""


async def find_kept(drive: Drive) -> RestoreOutput | None:
    """Return the output that an earlier process kept for this command, or None."""
    item = await drive.client.find(CONFIG_MAPS, name=_name(drive.command_id), namespace=drive.namespace)
    if item is None:
        return None
    return RestoreOutput.model_validate_json(gzip.decompress(base64.b64decode(item["binaryData"][_KEY])))


async def keep(drive: Drive, output: RestoreOutput) -> None:
    """Keep the output of this command; a giant one without its log and volumes."""
    packed = _packed(output)
    if len(packed) > _MAX_BYTES:
        missing = (*output.artifacts.missing, "Log and volumes: too large to be kept over a restart of the agent.")
        smaller = output.artifacts.model_copy(update={"log": "", "volumes": (), "missing": missing})
        packed = _packed(output.model_copy(update={"artifacts": smaller}))
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _name(drive.command_id),
            "namespace": drive.namespace,
            "labels": {COMMAND_LABEL: drive.command_id, KEPT_LABEL: "true"},
        },
        "binaryData": {_KEY: packed},
    }
    await drive.client.apply(CONFIG_MAPS, body)


def is_old(item: JsonObject, *, age: timedelta, now: datetime) -> bool:
    """Tell whether an object was made so long ago."""
    return now - datetime.fromisoformat(item["metadata"]["creationTimestamp"]) > age


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def _packed(output: RestoreOutput) -> str:
    return base64.b64encode(gzip.compress(output.model_dump_json().encode())).decode()


def _name(command_id: str) -> str:
    return f"cc-{command_id}-result"
