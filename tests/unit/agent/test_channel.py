"""The link against a real websocket server over loopback: reconnect, resend, credentials, closes, commands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from cloudcasa_agent.channel import Channel, ChannelSettings, FileCredentialStore, Outbox
from cloudcasa_agent.channel.loop import Backoff
from cloudcasa_agent.channel.session import decode
from cloudcasa_agent.channel.transport import Endpoint
from cloudcasa_agent.handlers import Dispatcher
from cloudcasa_agent.handlers.context import Engine
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_contract.commands import DeleteOutput, InventoryCollect, Problem
from cloudcasa_contract.frames import (
    Ack,
    Close,
    CloseReason,
    CommandFrame,
    Heartbeat,
    Hello,
    Outcome,
    Progress,
    Result,
    UnknownCommandFrame,
    Welcome,
)
from pydantic import SecretStr

from tests.support.agent_server import AgentServer

COMMAND = CommandFrame(command_id="c-1", delivery=1, command=InventoryCollect())


class Agent:
    """A channel and a dispatcher as the app puts them together; commands run `work`."""

    def __init__(self, server, *, path, bootstrap="first", work=None, slow=60.0):
        self.outbox = Outbox()
        self.engine = Engine(client=None, namespace="cloudcasa-io")
        self.started = 0
        self.release = asyncio.Event()
        self.work = work or self._wait
        self.store = FileCredentialStore(path)
        self.settings = ChannelSettings(
            endpoint=Endpoint(server.url),
            bootstrap=SecretStr(bootstrap),
            first_delay_seconds=0.01,
            longest_delay_seconds=0.05,
            slow_delay_seconds=slow,
        )

    async def _wait(self, context):
        context.tell(Progress(command_id=context.command_id, phase="InProgress"))
        await self.release.wait()
        return DeleteOutput()

    async def _handle(self, _command, context):
        self.started += 1
        return await self.work(context)

    @asynccontextmanager
    async def running(self):
        async with asyncio.TaskGroup() as group:
            self.dispatcher = Dispatcher(engine=self.engine, outbox=self.outbox, tasks=group, handle=self._handle)
            hello = lambda: Hello(cluster_id="k-1", instance_id="i-1", agent_version="0", running=self.dispatcher.running)  # noqa: E731
            self.channel = Channel(self.settings, store=self.store, outbox=self.outbox, receiver=self.dispatcher, hello=hello)
            link = group.create_task(self.channel.run())
            yield self
            await self.dispatcher.stop()
            link.cancel()


@pytest.fixture
async def server():
    async with AgentServer().running() as running:
        yield running


@pytest.fixture
def an_agent(server, tmp_path):
    return lambda **options: Agent(server, path=tmp_path / "credential", **options)


async def test_command_is_acknowledged_progress_told_and_result_sent(server, an_agent):
    async with an_agent().running() as agent:
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.until(lambda: server.got(Progress))
        agent.release.set()
        await server.until(lambda: server.got(Result))
        await server.until(lambda: agent.outbox.is_empty)
    assert server.got(Ack) == [Ack(id="c-1")]
    [result] = server.got(Result)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, DeleteOutput())


async def test_heartbeat_tells_what_runs_and_what_is_wrong_with_the_engine(server, an_agent):
    async with an_agent().running() as agent:
        agent.engine.problem = Problem(slug="foreign-velero", text="t")
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.until(lambda: Heartbeat(running=("c-1",), engine_problem=agent.engine.problem) in server.frames)


async def test_command_that_comes_again_while_it_runs_is_only_acknowledged(server, an_agent):
    async with an_agent().running() as agent:
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.links[0].send(COMMAND.model_copy(update={"delivery": 2}))
        await server.until(lambda: len(server.got(Ack)) == 2)
        assert agent.started == 1


async def test_result_without_ack_is_sent_again_after_a_reconnect_and_for_a_second_delivery(server, an_agent):
    server.acks = False
    async with an_agent().running() as agent:
        agent.release.set()
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.until(lambda: len(server.got(Result)) == 1)
        await server.links[0].drop()
        await server.until(lambda: len(server.got(Result)) == 2)
        await server.links[1].send(COMMAND)
        await server.until(lambda: len(server.got(Result)) == 3)
        assert agent.started == 1
    assert len({result.message_id for result in server.got(Result)}) == 1


async def test_hello_of_a_new_link_names_the_running_commands(server, an_agent):
    async with an_agent().running():
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.until(lambda: server.got(Progress))
        await server.links[0].drop()
        await server.until(lambda: len(server.got(Hello)) == 2)
    assert server.got(Hello)[1].running == ("c-1",)


async def test_unknown_command_is_answered_unsupported(server, an_agent):
    async with an_agent().running():
        await server.until(lambda: server.links)
        await server.links[0].send_raw('{"type": "later", "x": 1}')
        await server.links[0].send_raw('{"type": "command", "command_id": "c-9", "delivery": 1, "command": {"kind": "moon.fly"}}')
        await server.until(lambda: server.got(Result))
    [result] = server.got(Result)
    assert (result.outcome, result.problem.slug) == (Outcome.UNSUPPORTED, "command-unsupported")


async def test_known_command_that_cannot_be_read_fails_without_its_values_in_the_answer(server, an_agent):
    async with an_agent().running():
        await server.until(lambda: server.links)
        await server.links[0].send_raw(
            '{"type": "command", "command_id": "c-9", "delivery": 1, "command": {"kind": "engine.ensure", "repository_password": "PLACEHOLDER"}}'
        )
        await server.until(lambda: server.got(Result))
    [result] = server.got(Result)
    assert (result.outcome, result.problem.slug) == (Outcome.FAILED, "command-invalid")
    assert "PLACEHOLDER" not in result.model_dump_json()


async def test_expected_trouble_is_the_problem_of_the_result(server, an_agent):
    async def work(_context):
        raise AgentError("It rained.", slug="rain", remedy="Wait.")

    async with an_agent(work=work).running():
        await server.until(lambda: server.links)
        await server.links[0].send(COMMAND)
        await server.until(lambda: server.got(Result))
    assert server.got(Result)[0].problem == Problem(slug="rain", text="It rained.", remedy="Wait.")


async def test_fault_of_a_handler_is_an_agent_error_and_the_agent_lives_on(server, an_agent):
    async def work(_context):
        raise ZeroDivisionError

    async with an_agent(work=work).running() as agent:
        await server.until(lambda: server.links)
        for number in (1, 2):
            await server.links[0].send(COMMAND.model_copy(update={"command_id": f"c-{number}"}))
        await server.until(lambda: len(server.got(Result)) == 2)
        assert agent.dispatcher.running == ()
    assert {(result.outcome, result.problem.slug) for result in server.got(Result)} == {(Outcome.FAILED, "agent-error")}


async def test_rotated_credential_is_stored_and_used_for_the_next_link(server, an_agent):
    server.welcome = Welcome(protocol=1, server_version="test", heartbeat_seconds=0.05, credential="second")
    async with an_agent().running() as agent:
        await server.until(lambda: server.got(Heartbeat))
        assert (await agent.store.load()).get_secret_value() == "second"
        await server.links[0].drop()
        await server.until(lambda: len(server.credentials) == 2)
    assert server.credentials == ["first", "second"]


async def test_refused_stored_credential_is_followed_by_the_manifests(server, an_agent):
    server.refused = {"old"}
    agent = an_agent()
    await agent.store.save(SecretStr("old"))
    async with agent.running():
        await server.until(lambda: server.links)
    assert server.credentials == ["old", "first"]


async def test_terminal_close_is_retried_slowly(server, an_agent):
    async def refuse(link):
        await link.send(Close(reason=CloseReason.CLUSTER_DELETED))
        return False

    server.greet = refuse
    async with an_agent(slow=0.4).running():
        await server.until(lambda: len(server.got(Hello)) == 1)
        await asyncio.sleep(0.2)
        assert len(server.got(Hello)) == 1
        await server.until(lambda: len(server.got(Hello)) == 2)


async def test_other_closes_are_retried_soon(server, an_agent):
    async with an_agent().running():
        await server.until(lambda: server.links)
        await server.links[0].send(Close(reason=CloseReason.UNAVAILABLE))
        await server.until(lambda: len(server.links) == 2)


async def test_agent_that_stops_says_goodbye(server, an_agent):
    async with an_agent().running():
        await server.until(lambda: server.links)
    await server.until(lambda: server.got(Close))
    assert server.got(Close) == [Close(reason=CloseReason.SHUTTING_DOWN)]


def test_backoff_grows_to_its_limit_and_starts_over():
    backoff = Backoff(0.5, 30.0)
    delays = [backoff.next_delay() for _ in range(12)]
    assert 0.25 <= delays[0] <= 0.5
    assert all(15.0 <= delay <= 30.0 for delay in delays[-4:])
    backoff.start_over()
    assert backoff.next_delay() <= 0.5


@pytest.mark.parametrize(
    ("server_url", "url"),
    [
        ("https://cc.example.com", "wss://cc.example.com/api/v1/agent/channel"),
        ("cc.example.com", "wss://cc.example.com/api/v1/agent/channel"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/api/v1/agent/channel"),
    ],
)
def test_url_of_the_channel(server_url, url):
    assert Endpoint(server_url).url == url


def test_broken_frames_are_ignored():
    assert decode("{") is None
    assert decode("[]") is None
    assert decode('{"type": "command"}') is None
    assert isinstance(decode('{"type": "command", "command_id": "c", "command": {"kind": "x"}}'), UnknownCommandFrame)
