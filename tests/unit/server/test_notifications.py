"""Alerts reach their channels: once, signed, gathered, later when the channel is away, and never forgotten. On a clock that the tests move."""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
from base64 import b64encode

import pytest
from cloudcasa_server.alert.model import UNTOLD
from cloudcasa_server.kit.tls import ensure_certificate
from cloudcasa_server.notification.service import GATHER_SECONDS, GIVE_UP_SECONDS, KEPT_SECONDS, LEASE_SECONDS

from tests.support.clock import START, FakeClock
from tests.support.receivers import a_mail_server, a_receiver
from tests.support.scheduled import a_replica

SECRET = "a-secret-of-16-bytes-or-more"
PASSWORD = "only-in-this-test"


@pytest.fixture
async def replica(tmp_path):
    async with a_replica(tmp_path, clock=FakeClock()) as made:
        yield made


@pytest.fixture
def posts():
    with a_receiver() as made:
        yield made


def service(replica):
    return replica.app.state.parts.worker.notifications


async def a_hook(replica, posts, **fields):
    return await replica.make("notificationchannels", **{"kind": "webhook", "webhook": {"url": posts.url, "secret": SECRET}} | fields)


async def a_chat(replica, posts, **fields):
    return await replica.make("notificationchannels", **{"kind": "slack", "slack": {"url": posts.url}} | fields)


async def an_alert(replica, name="Backup failed", **fields):
    documents = replica.documents("alerts")
    told = {"event": f"test:{name}", "type": "BACKUP_FAILED", "name": name, "description": "The bucket is gone.", "touched_namespaces": []}
    return await documents.insert(documents.new({**told, UNTOLD: True, **fields}))


async def sweep(replica, *, seconds=GATHER_SECONDS):
    await service(replica).sweep()
    replica.clock.tick(seconds)
    await service(replica).sweep()


async def deliveries(replica):
    return (await replica.get("notificationdeliveries?sort=_created"))["_items"]


async def test_alert_is_posted_once_and_signed(replica, posts):
    channel = await a_hook(replica, posts)
    alert = await an_alert(replica, cluster="c" * 24, job="b" * 24)
    await sweep(replica)
    await sweep(replica)
    ((headers, body),) = posts.taken
    key, signed = SECRET.encode(), f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
    told = json.loads(body)
    assert (told["type"], told["timestamp"]) == ("alert.raised", START.replace(microsecond=0).isoformat())
    assert told["data"]["id"] == alert["_id"]
    assert {key: told["data"][key] for key in ("type", "description", "job", "cluster")} == {
        "type": "BACKUP_FAILED",
        "description": "The bucket is gone.",
        "job": "b" * 24,
        "cluster": "c" * 24,
    }
    (delivery,) = await deliveries(replica)
    assert (delivery["state"], delivery["channel"], delivery["alert"]) == ("DELIVERED", channel["_id"], alert["_id"])
    status = (await replica.get(f"notificationchannels/{channel['_id']}"))["status"]
    assert (status["state"], status["place"]) == ("OK", posts.url.partition("/hooks")[0])


async def test_address_and_secret_of_a_channel_are_never_shown(replica, posts):
    channel = await a_hook(replica, posts)
    await a_chat(replica, posts)
    shown = json.dumps([channel, await replica.get("notificationchannels"), await replica.get("auditlogs")])
    assert "T0P-S3CR3T" not in shown
    assert SECRET not in shown


async def test_several_alerts_are_one_message_in_a_chat(replica, posts):
    await a_chat(replica, posts)
    for name in ("one <!here>", "two"):
        await an_alert(replica, name)
    await sweep(replica)
    (body,) = posts.bodies()
    text = json.loads(body)["text"]
    assert text.startswith("*2 alerts*")
    assert "one &lt;!here&gt;" in text
    assert "two" in text


async def test_channel_that_fails_says_why_and_is_tried_again_later(replica, posts):
    channel = await a_hook(replica, posts)
    await an_alert(replica)
    posts.status = 503
    await sweep(replica)
    await sweep(replica, seconds=1)
    assert len(posts.taken) == 1
    status = (await replica.get(f"notificationchannels/{channel['_id']}"))["status"]
    assert (status["state"], status["message"]) == ("FAILING", f"{posts.url.partition('/hooks')[0]} answered 503.")
    posts.status = 204
    replica.clock.tick(60)
    await sweep(replica)
    assert [headers["webhook-id"] for headers, _ in posts.taken[:1]] == [headers["webhook-id"] for headers, _ in posts.taken[1:]]
    (delivery,) = await deliveries(replica)
    assert (delivery["state"], delivery["attempts"], delivery["message"]) == ("DELIVERED", 2, "")


async def test_other_side_may_ask_to_wait(replica, posts):
    await a_hook(replica, posts)
    await an_alert(replica)
    posts.status, posts.headers = 429, {"Retry-After": "900"}
    await sweep(replica)
    replica.clock.tick(800)
    await sweep(replica)
    assert len(posts.taken) == 1
    replica.clock.tick(100)
    await sweep(replica)
    assert len(posts.taken) == 2


async def test_dead_channel_holds_no_other_up_and_is_asked_once_for_all_its_alerts(replica, posts):
    with a_receiver() as dead:
        dead.status = 500
        await a_hook(replica, dead)
        await a_hook(replica, posts)
        for number in range(5):
            await an_alert(replica, f"alert {number}")
        await sweep(replica)
        assert len(posts.taken) == 5
        assert len(dead.taken) == 1


async def test_redirect_is_not_followed(replica, posts):
    await a_hook(replica, posts)
    posts.status, posts.headers = 307, {"Location": posts.url}
    await an_alert(replica)
    await sweep(replica)
    assert len(posts.taken) == 1
    assert "answered 307" in (await deliveries(replica))[0]["message"]


async def test_what_nobody_took_within_a_day_is_given_up_and_stays_to_be_seen(replica, posts):
    channel = await a_hook(replica, posts)
    await an_alert(replica)
    posts.status = 500
    await sweep(replica)
    replica.clock.tick(GIVE_UP_SECONDS + 1)
    await sweep(replica)
    (delivery,) = await deliveries(replica)
    assert delivery["state"] == "FAILED"
    assert delivery["message"].startswith("Given up after a day.")
    posts.status = 200
    await an_alert(replica, "a later one")
    replica.clock.tick(3600)
    await sweep(replica)
    assert (await replica.get(f"notificationchannels/{channel['_id']}"))["status"]["state"] == "OK"
    assert len(posts.taken) == 2


async def test_changed_channel_is_tried_at_once(replica, posts):
    with a_receiver() as old:
        old.status = 404
        channel = await a_hook(replica, old)
        await an_alert(replica)
        await sweep(replica)
    await replica.send("PATCH", f"notificationchannels/{channel['_id']}", {"webhook": {"url": posts.url}})
    await service(replica).sweep()
    assert len(posts.taken) == 1


async def test_disabled_channel_is_told_nothing(replica, posts):
    await a_hook(replica, posts, enabled=False)
    await an_alert(replica)
    await sweep(replica)
    assert await deliveries(replica) == []


async def test_deleted_channel_takes_what_waits_with_it(replica, posts):
    channel = await a_hook(replica, posts)
    await an_alert(replica)
    posts.status = 500
    await sweep(replica)
    await replica.send("DELETE", f"notificationchannels/{channel['_id']}", status=204)
    replica.clock.tick(3600)
    await sweep(replica)
    assert await deliveries(replica) == []
    assert len(posts.taken) == 1


async def test_alert_that_was_deleted_is_told_all_the_same(replica, posts):
    await a_hook(replica, posts)
    alert = await an_alert(replica)
    await service(replica).sweep()
    await replica.send("DELETE", f"alerts/{alert['_id']}", status=204)
    await sweep(replica)
    assert len(posts.taken) == 1


async def test_two_servers_tell_an_alert_once(replica, posts, tmp_path):
    await a_hook(replica, posts)
    async with a_replica(tmp_path, clock=replica.clock, store=replica.store) as other:
        for number in range(10):
            await an_alert(replica, f"alert {number}")
        for _ in range(4):
            await asyncio.gather(service(replica).sweep(), service(other).sweep())
            replica.clock.tick(GATHER_SECONDS)
    assert sorted(json.loads(body)["data"]["name"] for body in posts.bodies()) == [f"alert {number}" for number in range(10)]


async def test_channel_of_a_server_that_died_is_taken_over(replica, posts):
    channel = await a_hook(replica, posts)
    await an_alert(replica)
    await service(replica).sweep()
    replica.clock.tick(GATHER_SECONDS)
    lease = {"work.lease_until": replica.clock.now().timestamp() + LEASE_SECONDS}
    await replica.documents("notificationchannels").set(channel["_id"], lease)
    await service(replica).sweep()
    assert posts.taken == []
    replica.clock.tick(LEASE_SECONDS + 1)
    await service(replica).sweep()
    assert len(posts.taken) == 1


async def test_old_deliveries_are_dropped_and_waiting_ones_kept(replica, posts):
    await a_hook(replica, posts)
    await an_alert(replica)
    await sweep(replica)
    replica.clock.tick(KEPT_SECONDS + 1)
    await an_alert(replica, "new")
    await service(replica).sweep()
    await service(replica).prune()
    assert [one["event"]["name"] for one in await deliveries(replica)] == ["new"]


async def test_channel_is_tried_out_on_request(replica, posts):
    channel = await a_hook(replica, posts)
    answer = await replica.send("POST", f"notificationchannels/{channel['_id']}/action/test")
    assert answer["status"]["state"] == "OK"
    assert json.loads(posts.bodies()[0])["type"] == "test"
    posts.status = 410
    refused = await replica.send("POST", f"notificationchannels/{channel['_id']}/action/test", status=422)
    assert "answered 410" in json.dumps(refused)
    assert "T0P-S3CR3T" not in json.dumps(refused)


async def test_mail_needs_a_mail_server(replica):
    body = {"name": "mail", "kind": "email", "email": {"to": ["ann@example.org"]}}
    refused = await replica.send("POST", "notificationchannels", body, status=422)
    assert "CLOUDCASA_SMTP_HOST" in json.dumps(refused)


@pytest.fixture
def mail(tmp_path):
    certificate = ensure_certificate(tmp_path / "mail", names=["127.0.0.1", "localhost"], now=START)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate_file, certificate.private_key_file)
    (tmp_path / "smtp-password").write_text(f"{PASSWORD}\n")
    with a_mail_server(context=context, password=PASSWORD) as box:
        smtp = {
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_user": "cloudcasa",
            "smtp_password_file": tmp_path / "smtp-password",
            "smtp_ca_file": certificate.ca_file,
            "mail_from": "backup@example.org",
        }
        yield box, smtp


async def test_alerts_come_as_one_mail_over_tls(tmp_path, mail):
    box, smtp = mail
    async with a_replica(tmp_path / "data", clock=FakeClock(), **smtp) as replica:
        channel = await replica.make("notificationchannels", kind="email", email={"to": ["ann@example.org", "bo@example.org"]})
        await an_alert(replica, 'Backup "web\r\nBcc: eve@example.org" failed')
        await an_alert(replica, "two")
        box.refused.add("bo@example.org")
        await sweep(replica)
        (message,) = box.mails
        assert (box.recipients, box.users) == ([["ann@example.org"]], ["cloudcasa"])
        assert (message["From"], message["Subject"], message["Bcc"]) == ("backup@example.org", "[CloudCasa] 2 alerts", None)
        assert "The bucket is gone." in message.get_content()
        status = (await replica.get(f"notificationchannels/{channel['_id']}"))["status"]
        assert (status["state"], status["message"]) == ("OK", "The mail server refused bo@example.org.")


async def test_name_with_line_breaks_stays_one_subject(tmp_path, mail):
    box, smtp = mail
    async with a_replica(tmp_path / "data", clock=FakeClock(), **smtp) as replica:
        await replica.make("notificationchannels", kind="email", email={"to": ["ann@example.org"]})
        await an_alert(replica, 'Backup "web\r\nBcc: eve@example.org" failed')
        await sweep(replica)
        assert box.mails[0]["Subject"] == '[CloudCasa] Backup "web Bcc: eve@example.org" failed'
        assert box.recipients == [["ann@example.org"]]


async def test_wrong_password_is_said_without_the_password(tmp_path, mail):
    box, smtp = mail
    smtp["smtp_password_file"].write_text("wr0ng-p4ssword")
    async with a_replica(tmp_path / "data", clock=FakeClock(), **smtp) as replica:
        channel = await replica.make("notificationchannels", kind="email", email={"to": ["ann@example.org"]})
        refused = json.dumps(await replica.send("POST", f"notificationchannels/{channel['_id']}/action/test", status=422))
        assert "did not take the mail" in refused
        assert "535" in refused
        assert "wr0ng-p4ssword" not in refused
        assert box.mails == []
