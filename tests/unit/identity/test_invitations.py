"""Invitations: made by an administrator, accepted once, by the person they are for."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_server.kit.store import ALL, eq

from tests.support.people import ADMIN, PASSWORD, URL, secret_of

CARL = {"email": "Carl@example.org", "first_name": "Carl", "last_name": "Example"}


async def invited(admin, **fields):
    answer = await admin.post("/orginvites", json=CARL | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_invitation_shows_its_link_once(people):
    program = await people.program()
    made = await invited(program, name="carl-e", tags={"kind": "capsule"})
    assert made["_status"] == "OK"
    assert made["state"] == "PENDING"
    assert made["name"] == "carl-e"
    assert made["invitation_link"].startswith(f"{URL}/login/invitation#token=")
    listed = await program.get(
        "/orginvites", params={"where": '{"email":"Carl@example.org","state":{"$in":["PENDING"]}}', "sort": "-_created"}
    )
    (found,) = listed.json()["_items"]
    assert secret_of(made["invitation_link"]) not in listed.text
    assert "link" not in found


async def test_a_name_that_is_left_out_comes_from_the_address(people):
    made = await invited(await people.program())
    assert made["name"] == "Carl"
    assert made["expires_in_days"] == 7
    assert made["inviter"] == "bootstrap@apikey"


async def test_a_name_that_is_null_comes_from_the_address_and_its_user_has_it(people):
    admin = await people.signed_in()
    made = await invited(admin, name=None)
    assert made["name"] == "Carl"
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    user = (await (await people.browser()).post("/auth/invitation/accept", json=body)).json()["user"]
    assert (await admin.post(f"/users/{user['_id']}/action/password-link")).status_code == 200


async def test_the_invited_person_sets_a_password_and_is_in(people):
    made = await invited(await people.program())
    browser = await people.browser()
    token = secret_of(made["invitation_link"])
    shown = (await browser.post("/auth/invitation", json={"token": token})).json()
    assert (shown["email"], shown["org"]["name"]) == ("Carl@example.org", "organisation")
    answer = await browser.post("/auth/invitation/accept", json={"token": token, "password": PASSWORD})
    assert answer.status_code == 200
    assert people.notes.last() == ("accept-invitation", "Carl@example.org", "OK")
    made_user = people.notes.changes[-2]
    assert (made_user.operation, made_user.resource, made_user.after["email"]) == ("create", "users", "Carl@example.org")
    assert (await browser.get("/session")).json()["user"]["first_name"] == "Carl"
    await people.signed_in("carl@EXAMPLE.org")
    now = (await (await people.program()).get(f"/orginvites/{made['_id']}")).json()
    assert now["state"] == "ACCEPTED"


async def test_of_many_who_accept_the_same_invitation_one_does(people):
    made = await invited(await people.program())
    browser = await people.browser()
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    answers = await asyncio.gather(*(browser.post("/auth/invitation/accept", json=body) for _ in range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 409}
    assert await people.people.users.collection.count(eq("email_key", "carl@example.org")) == 1
    assert await people.store.collection("userorgs").count(ALL) == 2


async def test_a_poor_password_leaves_the_invitation_open(people):
    made = await invited(await people.program())
    browser, token = await people.browser(), secret_of(made["invitation_link"])
    assert (await browser.post("/auth/invitation/accept", json={"token": token, "password": "short"})).status_code == 422
    assert (await browser.post("/auth/invitation/accept", json={"token": token, "password": PASSWORD})).status_code == 200


async def test_an_invitation_whose_user_was_made_meanwhile_stays_open_and_makes_no_second(people):
    admin = await people.signed_in()
    made = await invited(admin)
    await people.a_user(admin, "carl@example.org", "a phrase of carl's own")
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    assert (await (await people.browser()).post("/auth/invitation/accept", json=body)).status_code == 422
    assert (await admin.get(f"/orginvites/{made['_id']}")).json()["state"] == "PENDING"
    await people.signed_in("carl@example.org", "a phrase of carl's own")


async def test_a_declined_invitation_is_over(people):
    made = await invited(await people.program())
    browser, token = await people.browser(), secret_of(made["invitation_link"])
    assert (await browser.post("/auth/invitation/decline", json={"token": token})).json()["state"] == "DECLINED"
    assert (await browser.post("/auth/invitation/accept", json={"token": token, "password": PASSWORD})).status_code == 401


async def test_an_invitation_ends_with_its_days_and_says_so(people):
    program = await people.program()
    made = await invited(program, expires_in_days=1)
    people.clock.tick(86_400)
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    assert (await (await people.browser()).post("/auth/invitation/accept", json=body)).status_code == 401
    await people.people.tidy()
    assert (await program.get(f"/orginvites/{made['_id']}")).json()["state"] == "EXPIRED"
    await invited(program)


async def test_a_cancelled_invitation_lets_nobody_in(people):
    program = await people.program()
    made = await invited(program)
    path = f"/orginvites/{made['_id']}"
    assert (await program.delete(path, headers={"If-Match": "0" * 40})).status_code == 412
    assert (await program.delete(path, headers={"If-Match": made["_etag"]})).status_code == 204
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    assert (await (await people.browser()).post("/auth/invitation/accept", json=body)).status_code == 401


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": ADMIN.upper()}, "email"),
        ({"email": "nonsense"}, "email"),
        ({"email": "ev\u202ee@example.org"}, "email"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 91}, "expires_in_days"),
        ({"org": "0" * 24}, "org"),
        ({"usergroups": ["0" * 24]}, "usergroups"),
        ({"acls": [{"resource": "kubeclusters", "roles": ["0" * 24]}]}, "acls"),
        ({"acls": [{"resourceIds": []}]}, "acls"),
        ({"state": "ACCEPTED"}, "state"),
        ({"first_name": None}, "first_name"),
    ],
)
async def test_a_wrong_invitation_is_422_and_not_made(people, fields, field):
    answer = await (await people.program()).post("/orginvites", json=CARL | fields)
    assert answer.status_code == 422
    assert field in answer.json()["_issues"]
    assert await people.store.collection("orginvites").count(ALL) == 0


async def test_a_second_invitation_for_the_same_person_is_refused(people):
    program = await people.program()
    await invited(program)
    answer = await program.post("/orginvites", json=CARL | {"email": "CARL@EXAMPLE.ORG"})
    assert answer.status_code == 422
    assert "invited already" in answer.json()["_error"]["message"]


async def test_of_invitations_of_a_person_at_the_same_moment_one_at_most_stays(people):
    program = await people.program()
    answers = await asyncio.gather(*(program.post("/orginvites", json=CARL) for _ in range(8)))
    made = [answer.status_code for answer in answers].count(201)
    assert {answer.status_code for answer in answers} <= {201, 422}
    assert await people.store.collection("orginvites").count(ALL) == made <= 1


async def test_an_invitation_cannot_be_changed_only_cancelled(people):
    program = await people.program()
    made = await invited(program)
    answer = await program.patch(f"/orginvites/{made['_id']}", json={"email": "eve@example.org"}, headers={"If-Match": made["_etag"]})
    assert answer.status_code == 405


async def test_roles_are_given_by_id_and_shown_as_objects_and_arrive(people):
    admin = await people.signed_in()
    (viewer,) = (await admin.get("/roles", params={"where": '{"name":"VIEWER"}'})).json()["_items"]
    group = (
        await admin.post("/usergroups", json={"name": "team", "acls": [{"resource": "allresources", "permissions": ["orgs.update"]}]})
    ).json()
    rows = [{"resource": "allresources", "roles": [viewer["_id"]], "permissions": ["users.read"]}]
    made = await invited(admin, acls=rows, usergroups=[group["_id"]])
    (listed,) = (await admin.get("/orginvites")).json()["_items"]
    for shown in (made, listed):
        (role,) = shown["acls"][0]["roles"]
        assert (role["_id"], role["name"], role["type"]) == (viewer["_id"], "VIEWER", "BUILTIN")
    browser = await people.browser()
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    assert (await browser.post("/auth/invitation/accept", json=body)).status_code == 200
    said = (await browser.get("/session")).json()
    assert {"users.read", "orgs.read", "orgs.update"} <= set(said["permissions"])
    assert "*.*" not in said["permissions"]
    assert (await browser.get("/users")).status_code == 200
    assert said["user"]["_id"] in (await admin.get(f"/usergroups/{group['_id']}")).json()["users"]


async def test_who_may_only_invite_gives_nobody_the_role_of_members_either(people):
    admin = await people.signed_in()
    rows = [{"resource": "allresources", "permissions": ["orginvites.create"]}]
    key = (await admin.post("/apikeys", json={"name": "hr", "acls": rows})).json()
    program = await people.program(key["apikey"])
    refused = await program.post("/orginvites", json=CARL)
    assert refused.status_code == 403
    assert "You cannot give" in refused.json()["_error"]["message"]
    assert await people.store.collection("orginvites").count(ALL) == 0
    await invited(program, acls=rows)


async def test_nobody_invites_somebody_to_more_than_they_have(people):
    admin = await people.signed_in()
    key = (
        await admin.post("/apikeys", json={"name": "hr", "acls": [{"resource": "allresources", "permissions": ["orginvites.create"]}]})
    ).json()
    program = await people.program(key["apikey"])
    rows = [{"resource": "allresources", "permissions": ["kubeclusters.restore"]}]
    refused = await program.post("/orginvites", json=CARL | {"acls": rows})
    assert refused.status_code in {403, 422}
    assert await people.store.collection("orginvites").count(ALL) == 0
