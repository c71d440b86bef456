"""Taking commands back: what was never delivered is closed, what was is held until another command has taken it over.

Each is one compare-and-set: of a delivery and a recall at the same time, one is first and the other sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudcasa_contract.frames import Outcome

from ..kit.ids import new_id
from ..kit.store import Collection, Document, DuplicateKeyError, In, Update, eq
from .model import COLLECTION, OPEN_STATES, UNFINISHED_STATES, CommandState, Order, new_command
from .service import Outbox, cluster_topic

_AT_ONCE = {"owner": "", "until": 0.0}
_RECALLED = {
    "outcome": Outcome.FAILED.value,
    "problem": {"slug": "recalled", "text": "The command was taken back.", "remedy": ""},
    "output": None,
}


def _commands(outbox: Outbox) -> Collection:
    return outbox.store.collection(COLLECTION)


async def recall(outbox: Outbox, /, *, key: str, cluster_id: str, job_id: str) -> bool:
    """Close the command of a key that was never delivered; one that is not there yet will never be. False when an agent may have it."""
    while (command := await outbox.find_by_key(key)) is None:
        forestalled = new_command(
            Order("none"), command_id=new_id(), cluster_id=cluster_id, key=key, job_id=job_id, created_at=outbox.clock.now().timestamp()
        )
        try:
            await _commands(outbox).insert(forestalled | {"state": CommandState.FAILED.value, "result": _RECALLED})
        except DuplicateKeyError:
            continue
        return True
    if command["state"] == CommandState.FAILED.value and command["result"] == _RECALLED:
        return True
    change = Update(set={"state": CommandState.FAILED.value, "result": _RECALLED})
    return await _commands(outbox).update(command["_id"], change, expected=eq("state", CommandState.QUEUED.value)) is not None


async def hold(outbox: Outbox, command_id: str, /) -> Document | None:
    """Deliver a command no more; None when it has its result."""
    change = Update(set={"state": CommandState.HELD.value, "lease": _AT_ONCE})
    return await _commands(outbox).update(command_id, change, expected=In("state", UNFINISHED_STATES))


async def release(outbox: Outbox, command: Document, /) -> None:
    """Deliver a held command again, at once: what took it over did not."""
    change = Update(set={"state": CommandState.DELIVERED.value, "lease": _AT_ONCE})
    await _commands(outbox).update(command["_id"], change, expected=eq("state", CommandState.HELD.value))
    await outbox.bus.publish(cluster_topic(command["cluster"]), {})


async def settle(outbox: Outbox, command_id: str, /, *, output: Mapping[str, Any] | None) -> None:
    """Close a held command with the output that another one brought; with none it was taken back. A result of its own stays."""
    done = {"outcome": Outcome.SUCCEEDED.value, "problem": None, "output": output}
    state, result = (CommandState.DONE, done) if output is not None else (CommandState.FAILED, _RECALLED)
    change = Update(set={"state": state.value, "result": result})
    await _commands(outbox).update(command_id, change, expected=In("state", (*OPEN_STATES, CommandState.HELD.value)))
