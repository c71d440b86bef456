"""Belonging to namespaces, held to the rule in plain words: one cluster, at least one namespace, none but the anchors', never all."""

from __future__ import annotations

from typing import Any

from cloudcasa_server.identity.belonging import cluster_of_namespaces, in_namespace, in_namespaces
from cloudcasa_server.kit.rest import within
from cloudcasa_server.kit.store import Or, matches
from cloudcasa_server.kit.store.mongo import as_filter
from hypothesis import given
from hypothesis import strategies as st

CLUSTERS = st.sampled_from(["red", "blue"])
NAMES = st.sampled_from(["shop", "bank", "", "*", "shop,bank"])
ANCHORS = st.lists(
    st.builds(lambda cluster, name: {"_id": f"{cluster}/{name}", "cluster_id": cluster, "name": name}, CLUSTERS, NAMES), max_size=4
)
LISTS = st.one_of(st.lists(NAMES, max_size=4), NAMES, st.none(), st.just({"shop": True}), st.lists(st.lists(NAMES, max_size=2), max_size=2))
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.one_of(CLUSTERS, st.none()),
        "other": st.one_of(CLUSTERS, st.none()),
        "source": st.fixed_dictionaries({}, optional={"namespaces": LISTS, "all": st.one_of(st.booleans(), st.none(), st.just(1))}),
    },
)
BELONGING = in_namespaces(cluster="cluster", namespaces="source.namespaces", is_whole="source.all")
BETWEEN = in_namespaces(cluster="cluster", namespaces="source.namespaces", other_cluster="other")


def lies_wholly_in(document: dict[str, Any], anchors: list[dict[str, Any]]) -> bool:
    named = document.get("source", {}).get("namespaces")
    mine = {anchor["name"] for anchor in anchors if anchor["cluster_id"] == document.get("cluster")}
    return isinstance(named, list) and bool(named) and all(isinstance(name, str) and name in mine for name in named)


@given(ANCHORS, DOCUMENTS)
def test_a_document_lies_in_namespaces_when_it_names_only_those(anchors: list[dict[str, Any]], document: dict[str, Any]) -> None:
    wanted = lies_wholly_in(document, anchors) and document["source"].get("all") is not True
    assert matches(BELONGING.query(anchors), document) is wanted


@given(ANCHORS, DOCUMENTS)
def test_between_two_clusters_both_must_be_the_anchors(anchors: list[dict[str, Any]], document: dict[str, Any]) -> None:
    wanted = lies_wholly_in(document, anchors) and document.get("other") == document["cluster"]
    assert matches(BETWEEN.query(anchors), document) is wanted


@given(ANCHORS, st.fixed_dictionaries({}, optional={"cluster": CLUSTERS, "name": NAMES}))
def test_a_document_of_one_namespace_lies_in_it(anchors: list[dict[str, Any]], document: dict[str, Any]) -> None:
    pairs = {(anchor["cluster_id"], anchor["name"]) for anchor in anchors}
    query = in_namespace(cluster="cluster", namespace="name").query(anchors)
    assert matches(query, document) is ((document.get("cluster"), document.get("name")) in pairs)


def test_an_anchor_that_lost_its_cluster_covers_nothing() -> None:
    lost = [{"_id": "1"}]
    document = {"_id": "1", "cluster": None, "name": None, "source": {"namespaces": []}}
    assert BELONGING.query(lost) == Or(())
    assert not matches(in_namespace(cluster="cluster", namespace="name").query(lost), document)
    assert not matches(cluster_of_namespaces("_id").query(lost), document)


@given(st.lists(CLUSTERS, max_size=2), DOCUMENTS)
def test_all_paths_must_name_an_anchor(ids: list[str], document: dict[str, Any]) -> None:
    query = within("cluster", "other").query([{"_id": one} for one in ids])
    assert matches(query, document) is (document.get("cluster") in ids and document.get("other") in ids)


def test_mongo_is_asked_in_its_own_words() -> None:
    anchors = [{"_id": "1", "cluster_id": "red", "name": "shop"}, {"_id": "2", "cluster_id": "red", "name": "bank"}]
    assert as_filter(BELONGING.query(anchors)) == {
        "$and": [
            {"cluster": {"$eq": "red"}},
            {
                "$and": [
                    {"source.namespaces": {"$elemMatch": {"$in": ["bank", "shop"]}}},
                    {"$nor": [{"source.namespaces": {"$elemMatch": {"$nin": ["bank", "shop"]}}}]},
                    {"$nor": [{"source.all": {"$eq": True}}]},
                ]
            },
        ]
    }
