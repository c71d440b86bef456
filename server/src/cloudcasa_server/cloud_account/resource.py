"""The declarations of `cloudaccounts` and `cloudtasks`, and the callback from a cloud. Source: rest-api.md 2.14."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..cluster.resource import Installation
from ..kit.errors import InvalidError, NotFoundError
from ..kit.rest import PREFIX, READ_METHODS, Docs, Hooks, RequestContext, Resource, Unique, read_object
from ..kit.store import Document, Index
from .model import COLLECTION, NOT_READ, TASKS, Callback, CloudAccount, is_callback_of, new_callback
from .shown import EXAMPLE, AccountShown, TaskShown

CALLBACK_PATH = f"{PREFIX}/{COLLECTION}/{{callback}}/action/move-to-active"


class AccountHooks(Hooks):
    """Give each account its callback."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Make the address that the deployment in the cloud is to call."""
        callback, digest = new_callback(document["_id"])
        url = context.service(Installation).public_url + CALLBACK_PATH.format(callback=callback)
        status = {
            "state": "PENDING",
            "message": NOT_READ,
            "pendingStateTimestamp": context.clock.timestamp(),
            "inventory": {"state": "PENDING"},
            "updateAvailable": False,
            "moveToActiveURL": url,
        }
        return document | {"callback": digest, "status": status}


async def move_to_active(context: RequestContext, /) -> Mapping[str, Any]:
    """Take the call of a deployment in the customer's cloud, which shows no token: the secret is in the address.

    What it tells is recorded. The account stays PENDING, and says so: nothing here can prove that the cloud can be read.
    """
    account_id, _, token = str(context.path_params["callback"]).partition(".")
    account = await context.documents(COLLECTION).find(account_id)
    if account is None or not is_callback_of(account, token):
        message = "No cloud account has this address. Take it from the account's status.moveToActiveURL; it ends with the account."
        raise NotFoundError(message)
    told = _parse(await read_object(context.request, is_optional=True))
    place = f"status.{account['provider_type']}"
    changes = {f"{place}.{key}": value for key, value in told.items()}
    changes[f"{place}.move_to_active_callback_timestamp"] = context.clock.timestamp()
    changed = await context.documents(COLLECTION).set(account_id, changes)
    await context.record("move-to-active", COLLECTION, account, before=account, after=changed)
    return {"_id": account_id, "_status": "OK", "status": {"state": account["status"]["state"], "message": NOT_READ}}


def _parse(body: Mapping[str, Any]) -> Document:
    try:
        return Callback.model_validate(body).model_dump(exclude_none=True)
    except ValidationError as e:
        issues = {".".join(map(str, one["loc"])): one["msg"] for one in e.errors(include_input=False, include_url=False)}
        raise InvalidError(
            f"The callback cannot be read: {'; '.join(f'{path}: {text}' for path, text in issues.items())}.", issues=issues
        ) from e


CLOUD_ACCOUNTS = Resource(
    name=COLLECTION,
    title="Cloudaccount",
    noun="cloud account",
    model=CloudAccount,
    immutable=frozenset({"provider_type"}),
    hidden=frozenset({"callback"}),
    guarded={"status.moveToActiveURL": f"{COLLECTION}.update"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another cloud account.'),),
    indexes=(Index("provider", (("provider_type", 1), ("name", 1))),),
    hooks=AccountHooks(),
    docs=Docs(shown=AccountShown, example=EXAMPLE),
)
CLOUD_TASKS = Resource(
    name=TASKS,
    title="Cloudtask",
    noun="cloud task",
    references={"job": "jobs"},
    unique=(),
    indexes=(Index("job", (("job", 1),)),),
    methods=READ_METHODS,
    docs=Docs(shown=TaskShown),
)
