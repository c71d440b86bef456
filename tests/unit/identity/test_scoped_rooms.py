"""What a team sees, counts and clears of alerts, numbers and progress: its own, and nothing that tells of others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cloudcasa_server.kit.rest import Documents

from tests.support.access import Caller, House, a_house, two_clusters

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(tmp_path_factory.mktemp("house")) as running:
        yield await two_clusters(running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def red(house: House) -> Caller:
    """A team with the cluster red."""
    return await house.a_team(resource="kubeclusters", ids=[house.made["red"]["_id"]], roles=["USER"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(house: House) -> Caller:
    """A team with the namespace shop of the cluster red."""
    return await house.a_team(resource="kubenamespaces", ids=[house.made["red/shop"]["_id"]], roles=["USER"])


async def an_alert(house: House, color: str, *namespaces: str) -> None:
    parts, declaration = house.app.state.parts, house.app.state.rest.resources["alerts"]
    documents = Documents(declaration, store=parts.store, clock=parts.clock, vault=parts.vault)
    name = f"{color}-{'-'.join(namespaces) or 'all'}"
    fields = {"name": name, "type": "BACKUP_FAILED", "description": "x", "cluster": house.made[color]["_id"]}
    await documents.insert(documents.new(fields | {"event": f"test:{name}", "touched_namespaces": list(namespaces)}))


async def test_a_team_clears_the_alerts_that_it_sees_and_no_others(house: House, red: Caller, shop: Caller) -> None:
    for color in ("red", "blue"):
        for namespaces in ((), ("shop",), ("shop", "bank")):
            await an_alert(house, color, *namespaces)
    assert await red.names("alerts") == ["red-all", "red-shop", "red-shop-bank"]
    assert await shop.names("alerts") == ["red-shop"]
    assert await shop.status("DELETE", "alerts", etag=None) == 204
    assert await red.names("alerts") == ["red-all", "red-shop-bank"]
    assert await red.status("DELETE", "alerts", etag=None) == 204
    assert await house.admin.names("alerts") == ["blue-all", "blue-shop", "blue-shop-bank"]
    viewer = await house.a_key(roles=["VIEWER"])
    assert await viewer.status("DELETE", "alerts", etag=None) == 403
    assert len(await viewer.names("alerts")) == 3


async def test_the_dashboard_counts_what_the_caller_may_read(house: House, red: Caller) -> None:
    everything = (await house.admin.ask("GET", "dashboard", etag=None)).json()
    own = (await red.ask("GET", "dashboard", etag=None)).json()
    assert (everything["kubernetes"]["num_clusters"], own["kubernetes"]["num_clusters"]) == (2, 1)
    nobody = await house.a_key(acls=[{"resource": "allresources", "permissions": ["policies.read"]}])
    assert (await nobody.ask("GET", "dashboard", etag=None)).json()["kubernetes"]["num_clusters"] == 0


async def test_hooks_are_read_by_teams_and_written_by_who_may_everywhere(house: House, red: Caller) -> None:
    rule = {"labels": {"app": "x"}, "target": [{"command": "true"}]}
    await house.admin.make("kubehooks", name="flush", hook=[rule])
    assert await red.names("kubehooks") == ["flush"]
    assert await red.status("POST", "kubehooks", etag=None, json={"name": "mine", "hook": [rule]}) == 403
    assert await red.status("DELETE", f"kubehooks/{(await red.rows('kubehooks'))[0]['_id']}", etag=None) == 403


async def test_a_migration_needs_both_of_its_clusters(house: House, red: Caller) -> None:
    source = {"cluster": house.made["red"]["_id"], "source": {"namespaces": ["shop"]}}
    to_blue = {"name": "away", "backup": source, "restore": {"cluster": house.made["blue"]["_id"]}}
    assert await red.status("POST", "kubemigrations", etag=None, json=to_blue) in {403, 422}
    await house.admin.make("kubemigrations", **to_blue)
    assert await red.names("kubemigrations") == []
    await red.make(
        "kubemigrations", name="within", backup=source, restore={"cluster": house.made["red"]["_id"], "namespaces_suffix": "-new"}
    )
    assert await red.names("kubemigrations") == ["within"]


async def test_the_secret_address_of_a_cloud_account_is_for_who_may_change_it(house: House) -> None:
    await house.admin.make("cloudaccounts", name="gcp", provider_type="gcp")
    viewer = await house.a_key(roles=["VIEWER"])
    (seen,) = await viewer.rows("cloudaccounts")
    assert ("moveToActiveURL" in seen["status"], "move-to-active" in (await viewer.ask("GET", "cloudaccounts")).text) == (False, False)
    asked = await viewer.ask("GET", "cloudaccounts", params={"where": '{"status.moveToActiveURL": {"$gt": "a"}}'})
    assert asked.status_code == 400
