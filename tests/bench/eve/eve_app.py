"""Eve with the schema of `policies`, for the benchmark. Runs in an environment of its own, where nothing of ours is installed."""

import os

from eve import Eve
from eve.auth import TokenAuth
from flask import request

KEY = f"Bearer {os.environ['BENCH_KEY']}"


class OneKey(TokenAuth):
    """Knows one key: less than ours does for each request."""

    def authorized(self, allowed_roles, resource, method):
        return request.headers.get("Authorization") == KEY


SCHEDULE = {
    "retainDays": {"type": "integer", "min": 1},
    "numAlwaysRetain": {"type": "integer", "min": 0, "max": 30},
    "locked": {"type": "boolean"},
    "schedule": {"type": "dict", "schema": {"cronSpec": {"type": "string"}}},
}
POLICIES = {
    "schema": {
        "name": {"type": "string", "minlength": 1, "maxlength": 128, "required": True, "unique": True},
        "timezone": {"type": "string"},
        "schedules": {"type": "list", "required": True, "schema": {"type": "dict", "schema": SCHEDULE}},
        "tags": {"type": "dict"},
    },
    "mongo_indexes": {"name": ([("name", 1)], {"unique": True})},
}
app = Eve(
    auth=OneKey,
    settings={
        "MONGO_URI": os.environ["BENCH_MONGO"],
        "RENDERERS": ["eve.render.JSONRenderer"],
        "RESOURCE_METHODS": ["GET", "POST"],
        "ITEM_METHODS": ["GET", "PUT", "PATCH", "DELETE"],
        "BANDWIDTH_SAVER": False,  # whole documents in answers to writes, as ours
        "BULK_ENABLED": False,
        "PAGINATION_LIMIT": 1000,
        "URL_PREFIX": "api",
        "API_VERSION": "v1",
        "DOMAIN": {"policies": POLICIES},
    },
)
