"""The repository password taken out and put in, at the server's command line: what a server that lost its database is given back (docs/adr/0031).

Never over the API: who reads it reads the volume data of all clusters.
"""

from __future__ import annotations

from pydantic import SecretStr

from ..kit.errors import InvalidError
from ..kit.store import And, Compare, Update, eq
from .service import COLLECTION, ESCROW, PASSWORD_ID, ObjectStores

MAX_CHARACTERS = 1_024
_NAMED = 5


async def set_repository_password(stores: ObjectStores, password: SecretStr, /, *, is_forced: bool = False) -> None:
    """Make this the password of all repositories. Raises InvalidError while something depends on the present one."""
    text = password.get_secret_value()
    if not text or len(text) > MAX_CHARACTERS or not text.isprintable():
        message = f"The repository password must be 1 to {MAX_CHARACTERS} printable characters on one line. Nothing was changed."
        raise InvalidError(message)
    if (await stores.repository_password()).get_secret_value() == text:
        return
    await _refuse_while_held(stores)
    if not is_forced:
        await _refuse_while_needed(stores)
    sealed = stores.vault.seal(text, aad=ESCROW)
    await stores.store.collection(ESCROW).update(PASSWORD_ID, Update(set={"repo_password": sealed}))
    for document in await stores.documents.collection.find(projection={"name": True}):
        kept = stores.vault.seal(text, aad=f"{COLLECTION}/{document['_id']}/repo_password")
        await stores.documents.collection.update(document["_id"], Update(set={"repo_password": kept}))


async def _refuse_while_held(stores: ObjectStores) -> None:
    """Refuse while a Velero has the present one: what it has written cannot be read with another."""
    clusters = await stores.store.collection("kubeclusters").find(
        Compare("agent.last_seen", "gt", 0), limit=_NAMED + 1, sort=(("name", 1),)
    )
    if not clusters:
        return
    names = ", ".join(f'"{cluster["name"]}"' for cluster in clusters[:_NAMED]) + (" and others" if len(clusters) > _NAMED else "")
    message = (
        f"Cannot change the repository password: the Velero of {names} has been given the present one. Set the old password before any agent"
        " comes to this server; else take the agents off these clusters, delete the clusters here (their recovery points stay), set the"
        " password, and register the clusters again."
    )
    raise InvalidError(message)


async def _refuse_while_needed(stores: ObjectStores) -> None:
    """Refuse while recovery points can be restored with the present one, as far as is known."""
    needing = And((eq("state", "READY"), Compare("total_copy_data", "gt", 0)))
    if count := await stores.store.collection("backupinstances").count(needing):
        message = (
            f"Cannot change the repository password: {count} recovery points hold volumes that, as far as is known, the present one opens."
            " If it is the wrong one all the same, add --force."
        )
        raise InvalidError(message)
