"""The rotated credential in a Secret of the agent's namespace, so that it outlives the pod."""

from __future__ import annotations

import base64

from pydantic import SecretStr

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import SECRETS

SECRET_NAME = "cloudcasa-agent-credential"  # noqa: S105 - the name of a Secret
_KEY = "credential"
_log = get_logger("app")


class SecretCredentialStore:
    """A CredentialStore over a Kubernetes Secret."""

    def __init__(self, client: KubeClient, *, namespace: str) -> None:
        """Use the Secret in `namespace`, which need not exist yet."""
        self._client = client
        self._namespace = namespace

    async def load(self) -> SecretStr | None:
        """Return the stored credential; None when there is none, or something that no server has given: the manifest's is tried then."""
        secret = await self._client.find(SECRETS, name=SECRET_NAME, namespace=self._namespace)
        encoded = ((secret or {}).get("data") or {}).get(_KEY, "")
        try:
            text = base64.b64decode(encoded).decode()
        except ValueError:
            text = ""
        if text.isprintable() and text.isascii() and " " not in text:
            return SecretStr(text) if text else None
        _log.warning("The stored credential is not one", secret=SECRET_NAME)
        return None

    async def save(self, credential: SecretStr) -> None:
        """Store a credential."""
        body: JsonObject = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET_NAME, "namespace": self._namespace},
            "type": "Opaque",
            "data": {_KEY: base64.b64encode(credential.get_secret_value().encode()).decode()},
        }
        await self._client.apply(SECRETS, body)
