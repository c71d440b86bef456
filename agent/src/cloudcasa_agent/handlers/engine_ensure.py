"""engine.ensure: pre-flight, then install or update. Its trouble is told with every heartbeat until it is mended."""

from __future__ import annotations

from cloudcasa_contract.commands import EngineEnsure, EngineOutput

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.velero.install import ensure_engine

from .context import Context


async def run_engine_ensure(command: EngineEnsure, *, context: Context) -> EngineOutput:
    """Bring up the engine; one at a time."""
    engine = context.engine
    async with engine.install_lock:
        context.drive().say(phase="Installing", activity="Bringing up the engine.")
        try:
            ensured = await ensure_engine(engine.client, command, namespace=engine.namespace, start_lock=engine.start_lock)
        except AgentError as error:
            engine.problem = error.as_problem()
            raise
        engine.problem = None
        engine.is_installed = True
        engine.foreign_namespaces = ensured.foreign_namespaces
        return ensured.output
