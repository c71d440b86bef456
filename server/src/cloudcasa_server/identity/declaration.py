"""What identity serves of people: one line for each resource, action and route."""

from __future__ import annotations

from dataclasses import replace

from ..kit.rest import PREFIX, About, Access, Handler, RestApi, RouteDocs, known_access, open_access, summary_of
from . import bodies, oidc, signin
from .invitations import ORGINVITES
from .memberships import USERORGS
from .orgs import ORGS
from .users import USERS

RESOURCES = (ORGS, USERS, USERORGS, ORGINVITES)

_NO_DOCS = RouteDocs()
_OPEN = open_access("who signs in is not known yet")
_LINK = open_access("the secret of the link says who may")
_KNOWN = known_access("everyone may know who they are")
_PERSON = replace(known_access("one's own session, preferences and password"), refuses=frozenset({"apikey"}))
_ADMIN = Access({"POST": "users.update"}, refuses=frozenset({"apikey"}))


_CALLERS = frozenset({401, 403})
"""What an open route answers to who is not who they should be."""
_LOGIN = RouteDocs(body=bodies.Credentials, answer=bodies.SignedIn, errors=_CALLERS | {429, 503})
_LOGOUT = RouteDocs(answer=bodies.Done, errors=frozenset({403}))
_PASSWORD = RouteDocs(body=bodies.PasswordChange, answer=bodies.SignedIn, errors=frozenset({409, 429, 503}))
_LINKED = RouteDocs(body=bodies.LinkToken, errors=_CALLERS | {409})
_BY_LINK = RouteDocs(body=bodies.PasswordByLink, answer=bodies.SignedIn, errors=_CALLERS | {409, 503})
_BY_PROVIDER = RouteDocs(body=bodies.InvitationByProvider, errors=_CALLERS | {404, 409, 503})
_NEXT = {"next": "Path on this server to come back to."}
_START = RouteDocs(status=303, parameters=_NEXT, errors=frozenset({404, 503}))
_RETURN = {
    "state": "What was sent along.",
    "code": "What the provider gives for the person.",
    "iss": "The provider's issuer.",
    "error": "Why not.",
}
_FINISH = RouteDocs(status=303, parameters=_RETURN, errors=_CALLERS | {404, 409, 503})
_PREFERENCES = RouteDocs(body=bodies.PreferenceChanges)

_ROUTES: tuple[tuple[str, str, Handler, Access, RouteDocs], ...] = (
    ("GET", "/session", signin.show_session, _KNOWN, RouteDocs(answer=bodies.SessionShown)),
    ("PATCH", "/session/preferences", signin.change_preferences, _PERSON, _PREFERENCES),
    ("GET", "/auth/providers", signin.list_providers, _OPEN, _NO_DOCS),
    ("POST", "/auth/login", signin.log_in, _OPEN, _LOGIN),
    ("POST", "/auth/local", signin.log_in, _OPEN, _LOGIN),
    ("POST", "/auth/logout", signin.log_out, _OPEN, _LOGOUT),
    ("GET", "/auth/sessions", signin.list_sessions, _PERSON, _NO_DOCS),
    ("DELETE", "/auth/sessions/{id}", signin.end_session, _PERSON, RouteDocs(status=204)),
    ("POST", "/auth/password", signin.change_password, _PERSON, _PASSWORD),
    ("POST", "/auth/link", signin.show_password_link, _LINK, _LINKED),
    ("POST", "/auth/link/password", signin.set_password, _LINK, _BY_LINK),
    ("POST", "/auth/invitation", signin.show_invitation, _LINK, _LINKED),
    ("POST", "/auth/invitation/accept", signin.accept_invitation, _LINK, _BY_LINK),
    ("POST", "/auth/invitation/provider", oidc.accept_with_provider, _LINK, _BY_PROVIDER),
    ("GET", "/auth/{provider}/start", oidc.start, _OPEN, _START),
    ("GET", "/auth/{provider}/callback", oidc.finish, _OPEN, _FINISH),
    ("POST", "/auth/invitation/decline", signin.decline_invitation, _LINK, _LINKED),
)


def declare_people(rest: RestApi, /) -> None:
    """Declare users, invitations, the organisation, and signing in."""
    for resource in RESOURCES:
        rest.add(resource)
    rest.action("users", "password-link", signin.make_password_link, access=_ADMIN, docs=RouteDocs(answer=bodies.PasswordLinkShown))
    rest.action("users", "end-sessions", signin.end_sessions, access=_ADMIN)
    for method, path, handler, access, docs in _ROUTES:
        about = About(docs=replace(docs, summary=docs.summary or summary_of(handler)))
        rest.route(f"{PREFIX}{path}", handler, methods=(method,), access=access, about=about)
