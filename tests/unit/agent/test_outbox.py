"""What the agent still has to say."""

from __future__ import annotations

from cloudcasa_agent.channel import Outbox
from cloudcasa_contract.frames import Ack, Outcome, Progress, Report, Result


def a_result(number=1):
    return Result(message_id=f"m-{number}", command_id=f"c-{number}", outcome=Outcome.SUCCEEDED)


def drain(outbox, *, now=0.0):
    frames = []
    while (frame := outbox.next_frame(now=now)[0]) is not None:
        frames.append(frame)
    return frames


def test_messages_are_sent_once_for_each_link_in_order_until_acknowledged():
    outbox = Outbox()
    messages = [a_result(1), Report(message_id="m-2"), a_result(3)]
    for message in messages:
        outbox.put_message(message)
    assert drain(outbox) == messages
    assert drain(outbox) == []
    outbox.drop_message("m-2")
    outbox.begin_link()
    assert drain(outbox) == [messages[0], messages[2]]


def test_acks_of_an_old_link_are_not_sent():
    outbox = Outbox()
    outbox.put_ack("c-1")
    outbox.begin_link()
    outbox.put_ack("c-2")
    assert drain(outbox) == [Ack(id="c-2")]


def test_progress_is_coalesced_to_the_newest():
    outbox = Outbox()
    for done in (1, 2, 3):
        outbox.put_progress(Progress(command_id="c-1", phase="InProgress", items_done=done))
    assert [frame.items_done for frame in drain(outbox)] == [3]
    outbox.put_progress(Progress(command_id="c-1", phase="InProgress", items_done=4))
    assert outbox.next_frame(now=0.5) == (None, 1.5)
    assert [frame.items_done for frame in drain(outbox, now=2.0)] == [4]


def test_changed_phase_is_told_at_once():
    outbox = Outbox()
    outbox.put_progress(Progress(command_id="c-1", phase="InProgress"))
    drain(outbox)
    outbox.put_progress(Progress(command_id="c-1", phase="Finalizing"))
    assert [frame.phase for frame in drain(outbox)] == ["Finalizing"]


def test_result_overtakes_progress_of_its_command():
    outbox = Outbox()
    outbox.put_progress(Progress(command_id="c-1"))
    outbox.put_message(a_result(1))
    assert drain(outbox) == [a_result(1)]


def test_waiting_result_can_be_sent_again():
    outbox = Outbox()
    outbox.put_message(a_result(1))
    drain(outbox)
    assert outbox.resend_result("c-1")
    assert not outbox.resend_result("c-2")
    assert drain(outbox) == [a_result(1)]
