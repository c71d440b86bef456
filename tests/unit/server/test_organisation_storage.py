"""The organisation's default storage: where copies go that name none, of clusters that name none."""

from __future__ import annotations


async def test_the_organisations_store_is_chosen_where_nothing_names_another(server):
    await server.a_store("first")
    second = await server.a_store("second")
    (org,) = (await server.get("orgs"))["_items"]
    body = {"backup_provider": {"user_objectstore": second["_id"]}}
    answer = await server.api.patch(f"/api/v1/orgs/{org['_id']}", json=body, headers={"If-Match": org["_etag"]})
    assert answer.status_code == 200, answer.text
    assert (await server.parts.stores.choose(None, {}))["name"] == "second"
    refused = await server.api.delete(f"/api/v1/objectstores/{second['_id']}")
    assert refused.status_code == 422
    assert 'organisation "organisation"' in refused.json()["_error"]["message"]


async def test_what_a_copy_or_cluster_names_goes_first(server):
    first, second = await server.a_store("first"), await server.a_store("second")
    (org,) = (await server.get("orgs"))["_items"]
    body = {"backup_provider": {"user_objectstore": second["_id"]}}
    await server.api.patch(f"/api/v1/orgs/{org['_id']}", json=body, headers={"If-Match": org["_etag"]})
    assert (await server.parts.stores.choose({}, {"user_objectstore": first["_id"]}))["name"] == "first"
