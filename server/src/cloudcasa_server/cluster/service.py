"""What the gateway and the sweep tell of a cluster's agent, turned into the cluster's state; and the engine brought up to date.

Facts lie under `agent`, hidden from clients; `status` is what clients see and follows from them by model.judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from cloudcasa_contract.commands import PreflightOutput, Problem
from cloudcasa_contract.frames import Capability, Hello
from cloudcasa_contract.states import ClusterState

from ..command.model import CommandState, Order
from ..command.service import Outbox
from ..job.outcome import failure_text, with_remedy
from ..job.service import Jobs
from ..kit.clock import Clock
from ..kit.ids import new_id
from ..kit.rest import Documents
from ..kit.store import And, Compare, Document, In, Or, Query, Update, eq
from .credentials import Slot, cluster_of, digest, find_slot, new_credential
from .findings import engine_findings, shown_findings
from .model import VELERO, Standing, judge

log = structlog.get_logger(__name__)

ENGINE_RETRY_SECONDS = 60.0
PREFLIGHT_SECONDS = 3600.0
"""How often a cluster is looked over unasked: what is in the way seldom comes and goes by the minute."""
MAX_CAPABILITIES = 50
ALERT_SILENCES = 2
"""A cluster is PENDING for so many times its silence before an alert tells of it: a restart of server or agent is over by then."""
_AWAY = "The agent is away; the job goes on when it is back."
_BACK = "The agent is back."


def session_topic(cluster_id: str, /) -> str:
    """Return the bus topic that tells a cluster's link to look whether it is still wanted."""
    return f"session.{cluster_id}"


@dataclass(frozen=True, slots=True)
class Clusters:
    """The registered clusters, as their agents see them."""

    documents: Documents
    outbox: Outbox
    jobs: Jobs
    clock: Clock
    engine_version: str
    """Changes whenever the engine must be looked at again: server version and images."""
    silence_seconds: float

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self.clock.now().timestamp()

    def _judge(self, document: Document) -> Standing:
        return judge(document, now=self.now(), silence_seconds=self.silence_seconds)

    async def find(self, cluster_id: str, /) -> Document | None:
        """Return the cluster or None."""
        return await self.documents.find(cluster_id)

    async def authenticate(self, credential: str, /) -> tuple[Document, Slot] | None:
        """Return the cluster that a credential opens, and which of its credentials it is; None when it opens none."""
        cluster_id = cluster_of(credential)
        document = await self.documents.find(cluster_id) if cluster_id else None
        slot = find_slot(document, credential) if document else None
        return (document, slot) if document and slot else None

    async def connected(self, document: Document, /, *, slot: Slot, hello: Hello, session: str) -> str | None:
        """Record a link, and return the new credential to hand out, if any."""
        rotation, fresh = _rotate(document, slot)
        status = {
            "status.version": hello.kubernetes_version,
            "status.kubeAgentVersion": hello.agent_version,
            "status.deployment_platform": hello.platform,
            "status.updateTime": int(self.now()),
        }
        facts = {
            "agent.last_seen": self.now(),
            "agent.session": session,
            "agent.instance": hello.instance_id,
            "agent.version": hello.agent_version,
            **rotation,
            "agent.engine_problem": "",
            "agent.capabilities": sorted(hello.capabilities)[:MAX_CAPABILITIES],
            "agent.preflight.due_at": 0.0,
        }
        if slot == "otp" and hello.instance_id != document["agent"].get("instance"):
            # An agent that comes from the manifest is a new installation: nothing is known of its engine.
            facts["agent.engine"] = {}
        await self._set(document["_id"], status | facts)
        await self.settle(document["_id"])
        await self.ensure_engine(document["_id"], is_reconnect=True)
        return fresh

    async def heard(self, cluster_id: str, /, *, session: str, problem: Problem | None) -> bool:
        """Record a heartbeat; tell whether this link is still the cluster's."""
        text = _sentence(problem)
        facts = {"agent.last_seen": self.now(), "agent.engine_problem": text, "status.updateTime": int(self.now())}
        document = await self._set(cluster_id, facts, expected=eq("agent.session", session))
        if document is not None and self._judge(document) != _standing(document):
            await self.settle(cluster_id)
        return document is not None

    async def is_current(self, cluster_id: str, /, *, session: str) -> bool | None:
        """Tell whether a link is still the cluster's; None when the cluster is gone."""
        document = await self.find(cluster_id)
        return None if document is None else document["agent"].get("session") == session

    async def settle(self, cluster_id: str, /) -> None:
        """Show the state that follows from the facts."""
        document = await self.find(cluster_id)
        if document is None:
            return
        standing, was = self._judge(document), _standing(document)
        if standing == was:
            return
        change: dict[str, Any] = {"status.state": standing.state.value, "status.message": standing.message}
        if standing.state is ClusterState.PENDING and was.state is not ClusterState.PENDING:
            change["status.pendingStateTimestamp"] = int(self.now())
            is_watched = document.get("agent_type") != VELERO
            change["agent.alert_at"] = self.now() + ALERT_SILENCES * self.silence_seconds if is_watched else None
        if await self._set(cluster_id, change, expected=eq("status.state", was.state.value)) is None:
            return
        log.info("Cluster state changed", cluster=cluster_id, state=standing.state.value, message=standing.message)
        if {standing.state, was.state} == {ClusterState.ACTIVE, ClusterState.PENDING}:
            await self.jobs.note_cluster(cluster_id, _BACK if standing.state is ClusterState.ACTIVE else _AWAY)

    async def ensure_engine(self, cluster_id: str, /, *, is_reconnect: bool = False) -> None:
        """Ask for the engine for each start of an agent and each version of the server; again after a failure, not while one is under way.

        Looking at an engine that is as it should be costs the agent a fifth of a second, and finds one that was removed behind our back.
        """
        document = await self.find(cluster_id)
        if document is None or document.get("agent_type") == VELERO:
            return
        agent = document["agent"]
        engine = agent.get("engine", {})
        wanted = f"{self.engine_version}|{agent.get('version', '')}|{agent.get('instance', '')}"
        if engine.get("is_ready") and engine.get("version") == wanted:
            return
        if engine.get("problem") and not is_reconnect and self.now() < engine.get("retry_at", 0):
            return
        if engine.get("command") and engine.get("version") == wanted:
            current = await self.outbox.find(engine["command"])
            if current is not None and not CommandState(current["state"]).is_final:
                return
        await self._ask_for_engine(cluster_id, wanted=wanted, instead_of=engine.get("command"))

    async def _ask_for_engine(self, cluster_id: str, *, wanted: str, instead_of: str | None) -> None:
        """Note the command, then send it: an answer finds its note, and of two who ask at once one does."""
        command_id = new_id()
        retry_at = self.now() + ENGINE_RETRY_SECONDS
        facts = {"agent.engine.command": command_id, "agent.engine.version": wanted, "agent.engine.retry_at": retry_at}
        if await self._set(cluster_id, facts, expected=eq("agent.engine.command", instead_of)) is not None:
            key = f"engine:{command_id}"
            await self.outbox.enqueue(Order("engine.ensure"), cluster_id=cluster_id, key=key, command_id=command_id)

    async def engine_answered(self, command: Document, /) -> None:
        """Take in how bringing up the engine went."""
        cluster_id, text = command["cluster"], failure_text(command)
        facts: dict[str, Any] = {"agent.engine.is_ready": not text, "agent.engine.problem": text}
        facts["agent.engine.retry_at"] = self.now() + ENGINE_RETRY_SECONDS
        if not text:
            output = command["result"].get("output") or {}
            facts["status.veleroVersion"] = output.get("velero_version", "")
            told = engine_findings(output)
            facts["agent.engine.findings"] = told
            facts |= shown_findings(told, (await self._agent(cluster_id)).get("preflight", {}).get("findings"))
        await self._set(cluster_id, facts, expected=eq("agent.engine.command", command["_id"]))
        await self.settle(cluster_id)

    async def look_over(self, cluster_id: str, /) -> str | None:
        """Ask the agent to look its cluster over; return the command's id, None when its agent cannot. One at a time: the same id twice."""
        document = await self.find(cluster_id)
        agent = (document or {}).get("agent", {})
        if document is None or Capability.PREFLIGHT.value not in agent.get("capabilities", ()):
            return None
        under_way = agent.get("preflight", {}).get("command")
        if under_way and (command := await self.outbox.find(under_way)) and not CommandState(command["state"]).is_final:
            return str(under_way)
        command_id = new_id()
        facts = {"agent.preflight.command": command_id, "agent.preflight.due_at": self.now() + PREFLIGHT_SECONDS}
        if await self._set(cluster_id, facts, expected=eq("agent.preflight.command", under_way)) is None:
            return await self.look_over(cluster_id)
        order = Order("preflight.run", {"server_version": self.engine_version.partition("|")[0]})
        return await self.outbox.enqueue(order, cluster_id=cluster_id, key=f"preflight:{command_id}", command_id=command_id)

    async def preflight_answered(self, command: Document, /) -> None:
        """Take in what was found; an agent that could not look leaves what it found before."""
        if failure_text(command):
            return
        output = PreflightOutput.model_validate(command["result"]["output"])
        found = [each.model_dump(mode="json") for each in output.findings]
        told = (await self._agent(command["cluster"])).get("engine", {}).get("findings", [])
        seen = {"checked_at": int(output.checked_at.timestamp()), "findings": found}
        facts = {"agent.preflight.findings": found, "status.preflight": seen, **shown_findings(told, found)}
        await self._set(command["cluster"], facts, expected=eq("agent.preflight.command", command["_id"]))

    async def _agent(self, cluster_id: str) -> Document:
        agent: Document = ((await self.find(cluster_id)) or {}).get("agent", {})
        return agent

    async def _look_over_due(self) -> None:
        now = self.now()
        due = And((Compare("agent.last_seen", "gte", now - self.silence_seconds), Compare("agent.preflight.due_at", "lte", now)))
        for document in await self.documents.collection.find(due, projection={"agent": True}):
            await self.look_over(document["_id"])

    async def sweep(self) -> None:
        """Settle clusters that have fallen silent, and try engines again whose time has come."""
        now = self.now()
        silent = And((eq("status.state", ClusterState.ACTIVE.value), Compare("agent.last_seen", "lt", now - self.silence_seconds)))
        other = And((In("status.state", ("PENDING", "REGISTERED")), Compare("agent.last_seen", "gt", 0)))
        for document in await self.documents.collection.find(Or((silent, other)), projection={"agent": True, "status": True}):
            await self.settle(document["_id"])
            engine = document["agent"].get("engine", {})
            is_heard = now - document["agent"]["last_seen"] <= self.silence_seconds
            if is_heard and not engine.get("is_ready") and now >= engine.get("retry_at", 0):
                await self.ensure_engine(document["_id"])
        await self._look_over_due()

    async def _set(self, cluster_id: str, fields: dict[str, Any], *, expected: Query | None = None) -> Document | None:
        change = Update(set=fields | {"_updated": int(self.now())})
        if expected is None:
            return await self.documents.collection.update(cluster_id, change)
        return await self.documents.collection.update(cluster_id, change, expected=expected)


def _standing(document: Document) -> Standing:
    return Standing(ClusterState(document["status"]["state"]), document["status"].get("message", ""))


def _sentence(problem: Problem | None) -> str:
    return with_remedy(problem.text, problem.remedy) if problem else ""


def _rotate(document: Document, slot: Slot) -> tuple[Document, str | None]:
    """Return the change of the credentials after one was seen, and the fresh one to hand out.

    The manifest's is exchanged, but stays good until the new one is seen. A new one that is seen makes the others useless.
    """
    if slot == "otp":
        fresh = new_credential(document["_id"])
        return {"agent.credentials.next": digest(fresh)}, fresh
    if slot == "next":
        return {"agent.credentials": {"current": document["agent"]["credentials"]["next"]}}, None
    return {}, None
