"""run.cancel: stop a run of this agent and take away what it made by half; one that had ended is told as it ended.

The run's own command is given up here and not delivered again: this one takes over, after a restart of the agent too, by the label of the run's
objects. Every part may be done twice.
"""

from __future__ import annotations

import asyncio

from cloudcasa_contract.commands import BackupDelete, BackupOutput, BackupRun, RestoreOutput, RunCancel, RunCancelled
from cloudcasa_contract.states import VeleroPhase

from cloudcasa_agent.kit.timeout import Timeout
from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.velero.drive import find_by_command
from cloudcasa_agent.velero.errors import BackupVanishedError, DeleteRefusedError
from cloudcasa_agent.velero.kept import find_kept
from cloudcasa_agent.velero.stopping import BACKUP, RESTORE, is_stopped, phase_of, stop_movements, was_stopped, with_helper, withdraw
from cloudcasa_agent.velero.undo import undo_restore

from .backup_delete import run_delete
from .backup_run import run_backup
from .context import Context
from .restore_run import leave_restore, run_restore

_DELETE_SECONDS = 300.0
_AGAIN_SECONDS = 5.0


async def run_cancel(command: RunCancel, *, context: Context) -> RunCancelled:
    """Return what became of the run."""
    await context.stop(command.run_id)
    taken = context.instead_of(command.run_id)
    kind = BACKUP if isinstance(command.run, BackupRun) else RESTORE
    run = await find_by_command(taken.drive(), kind.resource)
    if run is None and (kept := await find_kept(taken.drive())) is not None:
        return _told_before(kept)
    if run is None or await withdraw(taken.drive(), kind.resource, run):
        if not isinstance(command.run, BackupRun):
            await leave_restore(command.run, context=taken)
        return RunCancelled(is_stopped=True)
    context.drive().say(phase="Cancelling", activity="Stopping the movement of volumes.")
    output = None
    if phase_of(run) != VeleroPhase.DELETING:
        try:
            output = await _see_end(command, taken=taken)
        except BackupVanishedError:
            return RunCancelled(is_stopped=True)
        if not await is_stopped(taken.drive(), kind, name=run["metadata"]["name"], output=output):
            return RunCancelled(is_stopped=False, run=output)
    context.drive().say(phase="Cancelling", activity="Taking away what was made by half.")
    return await _take_away(command, run, output, context=context)


def _told_before(output: RestoreOutput) -> RunCancelled:
    """Return the end of a restore on loan, whose Restore is gone already: what it made cannot be told from the rest any more."""
    if not was_stopped(output):
        return RunCancelled(is_stopped=False, run=output)
    return RunCancelled(is_stopped=True, run=output, left=("What was restored until then stays: the agent was interrupted.",))


async def _see_end(command: RunCancel, *, taken: Context) -> BackupOutput | RestoreOutput:
    """Return the end of the run, which comes soon: every movement is asked to stop."""
    if isinstance(command.run, BackupRun):
        sweeper = stop_movements(taken.drive(), BACKUP, name=command.run.backup_name)
        return await with_helper(run_backup(command.run, context=taken), helper=sweeper)
    sweeper = stop_movements(taken.drive(), RESTORE, name=command.run.restore_name)
    return await with_helper(run_restore(command.run, context=taken), helper=sweeper)


async def _take_away(command: RunCancel, run: JsonObject, output: BackupOutput | RestoreOutput | None, *, context: Context) -> RunCancelled:
    if isinstance(command.run, BackupRun):
        return RunCancelled(is_stopped=True, run=output, left=await _delete_backup(command.run, context=context))
    if command.keep:
        return RunCancelled(is_stopped=True, run=output, left=("What was restored until then stays, as was asked for.",))
    undone = await undo_restore(context.drive(), run)
    return RunCancelled(is_stopped=True, run=output, removed=undone.removed, left=undone.left)


async def _delete_backup(run: BackupRun, *, context: Context) -> tuple[str, ...]:
    """Delete the backup, which nobody could restore from; return a sentence when the store does not let it go."""
    budget = Timeout(_DELETE_SECONDS)
    while True:
        try:
            await run_delete(BackupDelete(backup_name=run.backup_name, storage=run.storage), context=context)
        except DeleteRefusedError as error:
            if budget.is_over:
                return (f"The unfinished backup is still in the object store: {error.text}",)
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return ()
