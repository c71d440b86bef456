"""Channels as clients set them, what is told to them, and when one that fails is tried again."""

from __future__ import annotations

import pytest
from cloudcasa_server.notification.backoff import LONGEST_SECONDS, next_try
from cloudcasa_server.notification.model import Channel, is_wanted, signing_key
from cloudcasa_server.notification.senders.chat import escaped
from cloudcasa_server.notification.senders.hook import sign
from pydantic import ValidationError

SECRET = "a-secret-of-16-bytes-or-more"


def a_channel(**fields):
    return {"name": "on-call", "kind": "webhook", "webhook": {"url": "https://hooks.example.org/x", "secret": SECRET}} | fields


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"webhook": None}, "needs webhook"),
        ({"kind": "email"}, "needs email"),
        ({"slack": {"url": "https://chat.example.org/x"}}, "has no slack"),
        ({"webhook": {"url": "ftp://hooks.example.org", "secret": SECRET}}, "address such as"),
        ({"webhook": {"url": "https://ann:pw@hooks.example.org", "secret": SECRET}}, "without a user"),
        ({"webhook": {"url": "https://hooks.example.org/a b", "secret": SECRET}}, "address such as"),
        ({"webhook": {"url": "https://[::1", "secret": SECRET}}, "address such as"),
        ({"webhook": {"url": "https://hooks.example.org", "secret": "short"}}, "16 bytes"),
        ({"webhook": {"url": "https://hooks.example.org", "secret": "whsec_%%%"}}, "base64"),
        ({"kind": "email", "webhook": None, "email": {"to": []}}, "at least 1"),
        ({"kind": "email", "webhook": None, "email": {"to": ["ann@example.org\r\nBcc: eve@example.org"]}}, "e-mail address"),
        ({"alert_types": ["NO_SUCH"]}, "BACKUP_FAILED"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_channel_that_could_not_work_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Channel.model_validate(a_channel(**fields))


def test_signature_is_the_one_that_the_specification_shows():
    headers = sign(
        b'{"event_type":"ping","data":{"success":true}}',
        key=signing_key("whsec_plJ3nmyCDGBKInavdOK15jsl"),
        message_id="msg_loFOjxBNrRLzqYUf",
        timestamp=1731705121,
    )
    assert headers == {
        "webhook-id": "msg_loFOjxBNrRLzqYUf",
        "webhook-timestamp": "1731705121",
        "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    }


@pytest.mark.parametrize(
    ("wanted", "is_told"),
    [
        ({}, True),
        ({"alert_types": [], "clusters": []}, True),
        ({"alert_types": ["BACKUP_FAILED"]}, True),
        ({"alert_types": ["RESTORE_FAILED"]}, False),
        ({"clusters": ["c1"]}, True),
        ({"clusters": ["c2"]}, False),
        ({"alert_types": ["BACKUP_FAILED"], "clusters": ["c2"]}, False),
    ],
)
def test_channel_is_told_what_it_asked_for(wanted, is_told):
    assert is_wanted(wanted, {"type": "BACKUP_FAILED", "cluster": "c1"}) is is_told


def test_hostile_names_call_nobody_in_a_chat():
    assert escaped('Backup "<!channel> & <https://evil|x>"') == 'Backup "&lt;!channel&gt; &amp; &lt;https://evil|x&gt;"'


def test_failing_channel_is_tried_later_and_later_up_to_half_an_hour():
    waits = [next_try(failures) for failures in range(1, 100)]
    assert waits[:3] == [15, 30, 60]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS
