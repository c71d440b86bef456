"""What a program needs to use a lab, as variables: addresses, credentials and paths."""

from __future__ import annotations

from pathlib import Path

from . import state
from .control import BUCKET, REGION
from .parts import AZURITE_ACCOUNT
from .state import Record

PATHS = "paths.json"
"""Where the binaries lie, noted by `up`."""


def of(record: Record, *, home: Path) -> dict[str, str]:
    """Return the lab's variables; those of parts it does not have are left out."""
    paths: dict[str, str] = state.read_json(home / PATHS) or {}
    variables = {
        "KUBECONFIG": str(home / "admin.kubeconfig"),
        "LAB_NAME": record.name,
        "LAB_HOME": str(home),
        "LAB_ADDRESS": record.address,
        "LAB_S3_ENDPOINT": record.s3_url,
        "LAB_S3_ACCESS_KEY": record.s3_access_key,
        "LAB_S3_SECRET_KEY": record.s3_secret_key,
        "LAB_S3_BUCKET": BUCKET,
        "LAB_S3_REGION": REGION,
        "LAB_KUBECTL": paths.get("kubectl", "kubectl"),
        "LAB_VELERO": paths.get("velero", "velero"),
    }
    if "mongo" in record.parts:
        variables["LAB_MONGO_URL"] = f"mongodb://{record.address}:{record.ports['mongo']}/"
    if "azurite" in record.parts:
        endpoint = f"http://{record.address}:{record.ports['azurite']}/{AZURITE_ACCOUNT}"
        variables["LAB_AZURITE_ENDPOINT"] = endpoint
        variables["LAB_AZURITE_ACCOUNT"] = AZURITE_ACCOUNT
        variables["LAB_AZURITE_KEY"] = record.azurite_key
        variables["LAB_AZURITE_CONNECTION_STRING"] = (
            f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={record.azurite_key};BlobEndpoint={endpoint};"
        )
    return variables
