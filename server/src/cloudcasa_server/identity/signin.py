"""The routes of signing in: sessions, passwords, links. Source: ui.md 4.6.1 and 4.9 (1).

Open routes that change something judge where the request comes from themselves: a login that another site starts would put its own user into the
browser. Whoever is known already and signs in gets a new session, never the one that was shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ..kit.errors import AppError, ForbiddenError, NotFoundError, UnauthorizedError
from ..kit.ids import is_id
from ..kit.rest import Outcome, Principal, RequestContext, json_response, parse, read_object
from ..kit.rest.access import CREATE
from ..kit.store import Document
from .accounts import Accounts
from .authenticator import session_of
from .bodies import Credentials, LinkToken, PasswordByLink, PasswordChange, PreferenceChanges
from .cookies import SESSION_COOKIE, check_forgery, check_origin, clear_session, set_session
from .entrance import Entrance
from .escalation import refuse_more
from .grants import principal_of_user
from .memberships import Memberships
from .orgs import ORGS, the_organisation
from .preferences import Preferences
from .sessions import PREFIX, Origin, Session, Sessions
from .users import LOCAL, shown

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Doorway:
    """What the open routes need to know of where this server is."""

    public_url: str
    providers: tuple[Mapping[str, str], ...] = ()
    """What `GET /auth/providers` says, in the operator's order."""


def origin_of(request: Request, /) -> Origin:
    """Return where a login comes from."""
    agent = request.headers.get("user-agent", "")
    return Origin(request.client.host if request.client else "", "".join(one for one in agent if one.isprintable()))


async def read_open(context: RequestContext, model: type[M]) -> M:
    """Return the body of an open route that changes something."""
    check_origin(context.request, public_url=context.service(Doorway).public_url)
    return parse(await read_object(context.request), model)


async def record(context: RequestContext, operation: str, user: Document, **details: Any) -> None:
    """Record what a person did who is not known to the route, but is by now."""
    await acting(context, user).record(operation, "users", user, **details)


def acting(context: RequestContext, user: Document) -> RequestContext:
    """Return the context of an open route with the person who is known by now as the one who does it, for the audit log."""
    principal = Principal(id=str(user.get("_id", "")), email=str(user.get("email", "")), kind="user")
    return replace(context, principal=principal)


async def list_providers(context: RequestContext, /) -> Mapping[str, Any]:
    """List the ways to sign in."""
    return {"_items": list(context.service(Doorway).providers)}


async def log_in(context: RequestContext, /) -> Response:
    """Sign in with an e-mail address and a password."""
    body = await read_open(context, Credentials)
    origin = origin_of(context.request)
    try:
        user = await context.service(Accounts).sign_in(body.email, body.password.get_secret_value(), address=origin.address)
    except UnauthorizedError as error:
        asked = {"email": body.email[:254], "name": body.email[:254]}
        await record(context, "login", asked, outcome=Outcome.REFUSED, message=error.text)
        raise
    except AppError as error:  # no password was tried: without names, which a stranger may make up, one place is recorded once a minute
        await context.record("login", "users", {}, outcome=Outcome.REFUSED, message=error.text)
        raise
    return await signed_in(context, user, method=LOCAL, operation="login", is_token=body.token)


async def signed_in(
    context: RequestContext, user: Document, *, method: str, operation: str, is_token: bool = False, response: Response | None = None
) -> Response:
    """Open a session, end the one that the browser had, and answer."""
    sessions = context.service(Sessions)
    await context.service(Memberships).join(user["_id"])  # there already, unless the server died while it made the user
    token, session = await sessions.open(user, method=method, origin=origin_of(context.request))
    await record(context, operation, user)
    answer: dict[str, Any] = {"user": shown(user), "session": _session(session, sessions), "_status": "OK"}
    if is_token:
        return json_response(answer | {"token": token})
    await _end_shown(context)
    response = response or json_response(answer)
    set_session(response, token, max_age=sessions.lifetime_seconds)
    return response


async def _end_shown(context: RequestContext) -> Session | None:
    """End the session that the browser shows, if it is a good one; return it."""
    sessions = context.service(Sessions)
    found = await _shown(context, context.request.cookies.get(SESSION_COOKIE, ""))
    if found:
        await sessions.end(found.id, user_id=found.user["_id"])
    return found


async def _shown(context: RequestContext, token: str) -> Session | None:
    try:
        return await context.service(Sessions).authenticate(token) if token.startswith(PREFIX) else None
    except AppError:
        return None


async def log_out(context: RequestContext, /) -> Response:
    """End the session that is shown; well also when it is over already."""
    token = context.request.headers.get("authorization", "").partition(" ")[2].strip()
    if not token:
        check_forgery(context.request, public_url=context.service(Doorway).public_url)
        token = context.request.cookies.get(SESSION_COOKIE, "")
    found = await _shown(context, token)
    if found:
        await context.service(Sessions).end(found.id, user_id=found.user["_id"])
        await record(context, "logout", found.user)
    response = json_response({"_status": "OK"})
    clear_session(response)
    return response


async def show_session(context: RequestContext, /) -> Mapping[str, Any]:
    """Say who one is, and what one may do."""
    org = await the_organisation(context.documents(ORGS.name))
    permissions = sorted({permission for grant in context.principal.grants for permission in grant.permissions})
    answer: dict[str, Any] = {
        "user": {"_id": context.principal.id, "email": context.principal.email, "kind": context.principal.kind},
        "org": {key: org[key] for key in ("_id", "name", "display_name") if key in org},
        "permissions": permissions,
        "preferences": {},
    }
    session = session_of(context.request)
    if session:
        answer["user"] |= shown(session.user)
        answer["preferences"] = await context.service(Preferences).of(session.user["_id"])
        answer["session"] = _session(session.document, context.service(Sessions))
    return answer


def person(context: RequestContext, /) -> Session:
    """Return the session of the person who calls. Raises ForbiddenError for an API key, which is nobody."""
    session = session_of(context.request)
    if session is None:
        raise ForbiddenError("API Key access is not allowed for this resource. Log in as a user.")
    return session


async def change_preferences(context: RequestContext, /) -> Mapping[str, Any]:
    """Change one's own preferences."""
    session = person(context)
    body = parse(await read_object(context.request), PreferenceChanges)
    return {"preferences": await context.service(Preferences).merge(session.user["_id"], body.preferences), "_status": "OK"}


def _session(document: Document, sessions: Sessions) -> dict[str, Any]:
    keys = ("_id", "method", "address", "agent", "created_at", "seen_at")
    return {key: document[key] for key in keys} | {"expires_at": sessions.expiry(document)}


async def list_sessions(context: RequestContext, /) -> Mapping[str, Any]:
    """List one's own sessions, newest first."""
    session, sessions = person(context), context.service(Sessions)
    found = await sessions.of_user(session.user)
    return {"_items": [_session(one, sessions) | {"is_current": one["_id"] == session.id} for one in found]}


async def end_session(context: RequestContext, /) -> Response:
    """End one of one's own sessions."""
    session, wanted = person(context), context.path_params["id"]
    if not is_id(wanted) or not await context.service(Sessions).end(wanted, user_id=session.user["_id"]):
        raise NotFoundError(f'You have no session with the id "{wanted[:60]}".')
    await context.record("end-session", "users", session.user)
    return Response(status_code=204)


async def change_password(context: RequestContext, /) -> Response:
    """Change one's own password; every other session ends."""
    session = person(context)
    body = parse(await read_object(context.request), PasswordChange)
    old, new = body.old_password.get_secret_value(), body.new_password.get_secret_value()
    try:
        user = await context.service(Accounts).change_password(session.user, old=old, new=new, address=origin_of(context.request).address)
    except AppError as error:
        await context.record("change-password", "users", session.user, outcome=Outcome.REFUSED, message=error.text)
        raise
    await context.service(Sessions).end_all(user["_id"])
    is_token = bool(context.request.headers.get("authorization"))
    return await signed_in(context, user, method=LOCAL, operation="change-password", is_token=is_token)


async def make_password_link(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Make a link by which a user sets a new password, once. Who has it can be that user, so must have all that the user has."""
    del body
    user = await principal_of_user(document, store=context.store)
    refuse_more(context, user.grants, what=f'a link to the account "{document["name"]}", and so')
    link = await context.service(Accounts).new_link(document)
    return {"_id": document["_id"], "password_link": link.url, "expires_at": link.stored["expires_at"]}


async def end_sessions(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """End every session of a user."""
    del body
    await context.service(Accounts).end_sessions(document)
    await context.service(Sessions).end_all(document["_id"])
    return document


async def show_password_link(context: RequestContext, /) -> Mapping[str, Any]:
    """Say whose password a link sets."""
    body = await read_open(context, LinkToken)
    user = await context.service(Accounts).of_link(body.token.get_secret_value())
    return {"user": {"name": user["name"], "email": user["email"]}, "expires_at": user["link"]["expires_at"]}


async def set_password(context: RequestContext, /) -> Response:
    """Set a password by a link, and sign in; every other session ends."""
    body = await read_open(context, PasswordByLink)
    user = await context.service(Accounts).set_by_link(body.token.get_secret_value(), body.password.get_secret_value())
    await context.service(Sessions).end_all(user["_id"])
    return await signed_in(context, user, method=LOCAL, operation="set-password")


async def show_invitation(context: RequestContext, /) -> Mapping[str, Any]:
    """Say who is invited by a link, and by whom."""
    body = await read_open(context, LinkToken)
    invitation = await context.service(Entrance).of_link(body.token.get_secret_value())
    org = await the_organisation(context.documents(ORGS.name))
    keys = ("email", "first_name", "last_name", "inviter", "expires_at")
    return {key: invitation[key] for key in keys} | {"org": {"name": org.get("display_name") or org["name"]}}


async def accept_invitation(context: RequestContext, /) -> Response:
    """Accept an invitation with a password, and sign in."""
    body = await read_open(context, PasswordByLink)
    if not context.service(Accounts).is_open:
        raise ForbiddenError("Signing in with a password is switched off here. Accept the invitation with one of the providers.")
    user = await context.service(Entrance).accept_with_password(body.token.get_secret_value(), body.password.get_secret_value())
    await record(context, CREATE, user, after=user)
    return await signed_in(context, user, method=LOCAL, operation="accept-invitation")


async def decline_invitation(context: RequestContext, /) -> Mapping[str, Any]:
    """Decline an invitation."""
    body = await read_open(context, LinkToken)
    invitation = await context.service(Entrance).decline(body.token.get_secret_value())
    await record(context, "decline-invitation", {"email": invitation["email"], "name": invitation["name"]})
    return {"_status": "OK", "state": invitation["state"]}
