"""Users, memberships and the organisation as resources."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_server.identity.orgs import the_organisation
from cloudcasa_server.kit.store import ALL, eq

from tests.support.people import ADMIN, PASSWORD, URL, a_people_bench


async def changed(client, path: str, **fields):
    """PATCH with the etag as it is now."""
    etag = (await client.get(path)).json()["_etag"]
    return await client.patch(path, json=fields, headers={"If-Match": etag})


async def test_there_is_one_organisation_and_two_starts_make_one(people):
    await people.people.orgs.collection.delete_many(ALL)
    await asyncio.gather(*(the_organisation(people.people.orgs) for _ in range(5)))
    found = (await (await people.program()).get("/orgs")).json()["_items"]
    assert len(found) == 1
    counters = ("total_copy_quota", "total_copy_data", "timed_total_copy_data", "total_snapshot_data", "protected_storage_size")
    assert all(found[0][key] == 0 for key in counters)
    assert "only" not in found[0]


async def test_the_organisation_is_renamed_but_neither_made_nor_deleted(people):
    program = await people.program()
    (org,) = (await program.get("/orgs")).json()["_items"]
    answer = await changed(program, f"/orgs/{org['_id']}", name="Example", country="AT", billing_admin=ADMIN)
    assert answer.status_code == 200
    assert answer.json()["name"] == "Example"
    assert answer.json()["subscription"] == "free"
    assert (await program.post("/orgs", json={"name": "Second"})).status_code == 405
    assert (await program.delete(f"/orgs/{org['_id']}")).status_code == 405
    dangling = await changed(program, f"/orgs/{org['_id']}", backup_provider={"user_objectstore": "0" * 24})
    assert dangling.status_code == 422


async def test_a_new_user_may_do_what_the_default_role_may(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    (membership,) = (await admin.get("/userorgs", params={"where": f'{{"user":"{user["_id"]}"}}'})).json()["_items"]
    assert membership["is_default"] is True
    bob = await people.signed_in("bob@example.org")
    assert (await bob.get("/orgs")).status_code == 200
    assert (await bob.post("/orginvites", json={"email": "x@example.org", "first_name": "X", "last_name": "Y"})).status_code == 403


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "email"),
        ({"email": "nonsense"}, "email"),
        ({"email": "ANN@EXAMPLE.ORG"}, "email_key"),
        ({"email": "eve@example.org\r\nX: y"}, "email"),
        ({"email": "bob@example.org", "mfa": {"enabled": True}}, "mfa"),
        ({"email": "bob@example.org", "credential": {"hash": "x"}}, "credential"),
        ({"email": "bob@example.org", "epoch": 7}, "epoch"),
        ({"email": "bob@example.org", "provider": "corp"}, "provider"),
    ],
)
async def test_a_user_that_is_refused_is_not_made(people, fields, field):
    admin = await people.signed_in()
    answer = await admin.post("/users", json={"name": "bob", **fields})
    assert answer.status_code == 422
    assert field in answer.json()["_issues"]
    assert await people.people.users.collection.count(ALL) == 1


async def test_what_is_secret_of_a_user_is_neither_shown_nor_asked_about(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    shown = (await admin.get(f"/users/{user['_id']}")).json()
    assert not {"credential", "link", "epoch", "email_key", "identity_key", "password_link"} & shown.keys()
    for path in ("credential.hash", "link.hash", "epoch"):
        assert (await admin.get("/users", params={"where": f'{{"{path}":"x"}}'})).status_code == 400
        assert (await admin.get("/users", params={"sort": path})).status_code == 400


async def test_a_disabled_user_is_out_at_once_and_back_when_let_in(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    assert (await changed(admin, f"/users/{user['_id']}", disabled=True)).status_code == 200
    assert (await bob.get("/session")).status_code == 401
    refused = await (await people.browser()).post("/auth/login", json={"email": "bob@example.org", "password": PASSWORD})
    assert refused.status_code == 401
    assert "disabled" in refused.json()["_error"]["message"]
    assert (await changed(admin, f"/users/{user['_id']}", disabled=False)).status_code == 200
    assert (await bob.get("/session")).status_code == 401
    await people.signed_in("bob@example.org")


async def test_a_session_opened_while_its_user_is_disabled_is_none(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    before = await people.people.users.get(user["_id"])
    await changed(admin, f"/users/{user['_id']}", disabled=True)
    await changed(admin, f"/users/{user['_id']}", disabled=False)
    origin = people.people.sessions
    from cloudcasa_server.identity.sessions import Origin

    token, _ = await origin.open(before, method="local", origin=Origin("192.0.2.1"))
    assert (await (await people.program(token)).get("/session")).status_code == 401


async def test_a_deleted_user_leaves_nothing_behind(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    await bob.patch("/session/preferences", json={"preferences": {"a": 1}})
    assert (await admin.delete(f"/users/{user['_id']}", headers={"If-Match": "0" * 40})).status_code == 412
    etag = (await admin.get(f"/users/{user['_id']}")).json()["_etag"]
    assert (await admin.delete(f"/users/{user['_id']}", headers={"If-Match": etag})).status_code == 204
    assert (await bob.get("/session")).status_code == 401
    for name in ("sessions", "userorgs"):
        assert await people.store.collection(name).count(eq("user", user["_id"])) == 0
    assert await people.store.collection("userstates").get(user["_id"]) is None
    again = await people.a_user(admin)
    assert again["_id"] != user["_id"]


async def test_nobody_locks_themselves_out(people):
    admin = await people.signed_in()
    me = (await admin.get("/session")).json()["user"]["_id"]
    assert (await changed(admin, f"/users/{me}", disabled=True)).status_code == 422
    assert (await admin.delete(f"/users/{me}")).status_code == 409
    assert (await admin.get("/session")).status_code == 200


async def test_an_address_that_is_changed_is_the_new_name(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    assert (await changed(admin, f"/users/{user['_id']}", email="Robert@example.org")).status_code == 200
    await people.signed_in("robert@example.org")
    assert (await changed(admin, f"/users/{user['_id']}", email="Ann@example.org")).status_code == 422


async def test_a_viewer_changes_no_user(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    path = f"/users/{user['_id']}"
    assert (await bob.delete(path)).status_code == 403
    assert (await bob.post(f"{path}/action/password-link")).status_code == 403
    assert (await bob.patch(path, json={"name": "x"}, headers={"If-Match": "*"})).status_code == 403


async def test_nobody_lets_in_again_who_has_more_than_they_have(people):
    admin = await people.signed_in()
    user, eve = await people.a_user(admin), await people.a_user(admin, "eve@example.org")
    (membership,) = (await admin.get("/userorgs", params={"where": f'{{"user":"{user["_id"]}"}}'})).json()["_items"]
    rows = [{"resource": "allresources", "permissions": ["users.read", "users.update"]}]
    await changed(admin, f"/userorgs/{membership['_id']}", acls=rows)
    (hers,) = (await admin.get("/userorgs", params={"where": f'{{"user":"{eve["_id"]}"}}'})).json()["_items"]
    await changed(admin, f"/userorgs/{hers['_id']}", acls=[{"resource": "allresources", "permissions": ["*.*"]}])
    bob = await people.signed_in("bob@example.org")
    assert (await changed(bob, f"/users/{eve['_id']}", disabled=True)).status_code == 200
    refused = await changed(bob, f"/users/{eve['_id']}", disabled=False)
    assert refused.status_code == 403
    assert "You cannot give" in refused.json()["_error"]["message"]
    assert (await changed(admin, f"/users/{eve['_id']}", disabled=False)).status_code == 200


async def test_an_api_key_makes_no_password_link(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    refused = await (await people.program()).post(f"/users/{user['_id']}/action/password-link")
    assert refused.status_code == 403
    assert "API Key access is not allowed" in refused.json()["_error"]["message"]


async def test_links_name_the_public_url(tmp_path):
    async with a_people_bench(tmp_path, public_url="https://proxy.example.net/") as bench:
        admin = await bench.signed_in()
        made = (await admin.post("/users", json={"name": "bob", "email": "bob@example.org"})).json()
        assert made["password_link"].startswith("https://proxy.example.net/login/password#token=")
        assert URL not in made["password_link"]


async def test_an_administrator_ends_every_session_of_somebody(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    assert (await bob.post(f"/users/{user['_id']}/action/end-sessions")).status_code == 403
    assert (await admin.post(f"/users/{user['_id']}/action/end-sessions")).status_code == 200
    assert (await bob.get("/session")).status_code == 401
    await people.signed_in("bob@example.org")


async def test_who_may_make_users_but_is_no_administrator_makes_no_administrator(people):
    admin = await people.signed_in()
    role = (await admin.post("/roles", json={"name": "clerk", "permissions": ["users.create", "userorgs.read", "userorgs.update"]})).json()
    user = await people.a_user(admin)
    (mine,) = (await admin.get("/userorgs", params={"where": f'{{"user":"{user["_id"]}"}}'})).json()["_items"]
    assert (await changed(admin, f"/userorgs/{mine['_id']}", roles=[role["_id"]])).status_code == 200
    (everything,) = (await admin.get("/roles", params={"where": '{"name":"ADMIN"}'})).json()["_items"]
    bob = await people.signed_in("bob@example.org")
    refused = await changed(bob, f"/userorgs/{mine['_id']}", roles=[everything["_id"]])
    assert refused.status_code == 403
    assert "You cannot give" in refused.json()["_error"]["message"]


async def test_a_user_whose_membership_was_lost_halfway_has_the_default_role_after_the_next_login(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    await people.store.collection("userorgs").delete_many(eq("user", user["_id"]))
    bob = await people.signed_in("bob@example.org")
    assert "orgs.read" in (await bob.get("/session")).json()["permissions"]


async def test_a_user_who_cannot_be_made_leaves_no_membership(people):
    admin = await people.signed_in()
    made = (await admin.post("/orginvites", json={"email": "bob@example.org", "first_name": "B", "last_name": "B"})).json()
    await people.a_user(admin)
    body = {"token": made["invitation_link"].partition("#token=")[2], "password": PASSWORD}
    assert (await (await people.browser()).post("/auth/invitation/accept", json=body)).status_code == 422
    members = await people.store.collection("userorgs").find(ALL)
    users = {user["_id"] for user in await people.store.collection("users").find(ALL)}
    assert {member["user"] for member in members} == users


async def test_a_put_that_says_nothing_of_it_lets_nobody_back_in(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    path = f"/users/{user['_id']}"
    etag = (await changed(admin, path, disabled=True)).json()["_etag"]
    put = await admin.put(path, json={"name": "Bob", "email": "bob@example.org"}, headers={"If-Match": etag})
    assert put.status_code == 200
    assert put.json()["disabled"] is True
    assert (await admin.get(path)).json()["_etag"] == put.json()["_etag"]
