"""Label selectors, from the form that users write to those that Kubernetes reads. Pure."""

from __future__ import annotations

from cloudcasa_agent.kube import JsonObject


def label_selector(wanted: dict[str, str], /) -> JsonObject:
    """Return the spec's labelSelector: keys are AND, comma-separated values of one key are OR; nothing for an empty selector."""
    labels: dict[str, str] = {}
    expressions: list[JsonObject] = []
    for key in sorted(wanted):
        values = [value.strip() for value in wanted[key].split(",")]
        if len(values) == 1:
            labels[key] = values[0]
        else:
            expressions.append({"key": key, "operator": "In", "values": sorted({value for value in values if value})})
    selector: JsonObject = {}
    if labels:
        selector["matchLabels"] = labels
    if expressions:
        selector["matchExpressions"] = expressions
    return {"labelSelector": selector} if selector else {}


def selector_text(selector: JsonObject, /) -> str:
    """Return a selector of `label_selector` as the API's query takes it."""
    labels = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    sets = [f"{item['key']} in ({','.join(item['values'])})" for item in selector.get("matchExpressions") or []]
    return ",".join(labels + sets)
