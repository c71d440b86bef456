"""What changes here when somebody comes from an OpenID provider: told, so that it can be recorded."""

from __future__ import annotations

from cloudcasa_server.identity.oidc.claims import Person
from cloudcasa_server.identity.rolebook import builtin_id

from tests.support.people import a_people_bench

LISTS = {"auth_allowed_user_groups": ["staff"], "auth_siteadmin_user_groups": ["corp:admins"]}


def eve(*groups: str, email: str = "eve@example.org") -> Person:
    return Person(issuer="https://id.example.org", subject="1", email=email, is_verified=True, groups=groups)


async def arrived(people, person):
    return await people.people.arrivals.user_of(person, provider="corp", name="Corp", invitation_id="")


async def test_who_comes_for_the_first_time_is_told_as_made_with_the_roles_that_groups_bring(tmp_path):
    async with a_people_bench(tmp_path, **LISTS) as people:
        came = await arrived(people, eve("staff", "admins"))
        made, given = came.changes
        assert (made.resource, made.before, made.after["email"]) == ("users", None, "eve@example.org")
        assert (given.resource, given.after["user"]) == ("userorgs", came.user["_id"])
        assert builtin_id("ADMIN") not in given.before["roles"]
        assert builtin_id("ADMIN") in given.after["roles"]


async def test_who_comes_again_is_told_only_as_far_as_something_changed(tmp_path):
    async with a_people_bench(tmp_path, **LISTS) as people:
        await arrived(people, eve("staff", "admins"))
        assert (await arrived(people, eve("staff", "admins"))).changes == ()
        lost, moved = (await arrived(people, eve("staff", email="eve@example.com"))).changes
        assert builtin_id("ADMIN") in lost.before["roles"]
        assert builtin_id("ADMIN") not in lost.after["roles"]
        assert (moved.resource, moved.before["email"], moved.after["email"]) == ("users", "eve@example.org", "eve@example.com")
