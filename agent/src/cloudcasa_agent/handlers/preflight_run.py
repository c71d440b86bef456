"""preflight.run: look the cluster over."""

from __future__ import annotations

from cloudcasa_contract.commands import AGENT_NAMESPACE, PreflightOutput, PreflightRun

from cloudcasa_agent import __version__
from cloudcasa_agent.velero.preflight import look_over

from .context import Context


async def run_preflight(command: PreflightRun, *, context: Context) -> PreflightOutput:
    """Return what keeps backups from working here."""
    engine = context.engine
    return await look_over(engine.client, command, namespace=engine.namespace, agent_version=__version__, agent_account=AGENT_NAMESPACE)
