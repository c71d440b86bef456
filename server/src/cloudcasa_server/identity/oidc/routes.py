"""The routes of signing in with a provider: the way there, and the way back. Source: ui.md 4.6.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from ...kit.errors import AppError, UnauthorizedError
from ...kit.rest import Outcome, RequestContext, json_response
from ...kit.rest.access import CREATE, UPDATE
from ..bodies import InvitationByProvider
from ..entrance import Entrance
from ..signin import acting, read_open, record, signed_in
from .arrival import Arrivals, Arrived
from .claims import Person
from .flow import Flow, Flows
from .provider import Providers

_NO_CACHE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
MAX_PARAMETER = 4_096


async def start(context: RequestContext, /) -> Response:
    """Set out for a provider, to come back to `next`."""
    provider = context.service(Providers).get(context.path_params["provider"])
    flows = context.service(Flows)
    flow = flows.begin(provider.settings.id, next_path=context.parameters.get("next", "/"))
    response = RedirectResponse(await provider.way_there(flow), status_code=303, headers=_NO_CACHE)
    flows.remember(response, flow)
    return response


async def accept_with_provider(context: RequestContext, /) -> Response:
    """Accept an invitation with an account at a provider: answers where to go on."""
    body = await read_open(context, InvitationByProvider)
    invitation = await context.service(Entrance).of_link(body.token.get_secret_value())
    provider = context.service(Providers).get(body.provider)
    flows = context.service(Flows)
    flow = flows.begin(provider.settings.id, next_path="/", invitation=invitation["_id"])
    response = json_response({"location": await provider.way_there(flow), "_status": "OK"})
    flows.remember(response, flow)
    return response


async def finish(context: RequestContext, /) -> Response:
    """Come back from a provider: signs in and goes on to where the login began."""
    provider = context.service(Providers).get(context.path_params["provider"])
    flows, state = context.service(Flows), context.parameters.get("state", "")[:MAX_PARAMETER]
    flow = flows.recall(context.request, provider=provider.settings.id, state=state)
    if flow is None:
        raise UnauthorizedError("This login was not begun in this browser, or too long ago. Begin again.")
    seen: dict[str, Any] = {}
    try:
        person = await _returned(context, flow)
        seen = {"email": person.email, "name": person.email or person.subject}
        arrivals = context.service(Arrivals)
        invitation = flow.invitation
        arrived = await arrivals.user_of(person, provider=flow.provider, name=provider.settings.name, invitation_id=invitation)
    except AppError as error:
        await record(context, "login", seen, outcome=Outcome.REFUSED, message=error.text)
        raise
    await _recorded(context, arrived)
    response = RedirectResponse(flow.next, status_code=303, headers=_NO_CACHE)
    flows.forget(response, state)
    return await signed_in(context, arrived.user, method=flow.provider, operation="login", response=response)


async def _recorded(context: RequestContext, arrived: Arrived) -> None:
    for one in arrived.changes:
        operation = CREATE if one.before is None else UPDATE
        await acting(context, arrived.user).record(operation, one.resource, one.after, before=one.before, after=one.after)


async def _returned(context: RequestContext, flow: Flow) -> Person:
    provider = context.service(Providers).get(flow.provider)
    given: Mapping[str, str] = context.parameters
    if "error" in given or not given.get("code"):
        reason = "".join(one for one in given.get("error", "no code came back")[:60] if one.isprintable())
        raise UnauthorizedError(f'"{provider.settings.name}" did not sign you in: {reason}. Begin again.')
    return await provider.who_came_back(flow, given["code"][:MAX_PARAMETER], issuer=given.get("iss"))
