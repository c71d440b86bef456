"""Routes out of declarations: every resource is served by the same six functions (rest-api.md 1.6 to 1.9).

One route per path, with an Access by method; `add` a Resource, `action` and `route` for what is not uniform, then `install` into the application.
A PUT or PATCH changes client-settable fields only, by compare-and-set on the etag, so it never undoes what a task writes at the same
time (status); a create relies on unique indexes, so two at once cannot both win.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from ..clock import Clock
from ..crypto import Vault
from ..errors import ForbiddenError, NotFoundError, UnauthorizedError
from ..observe import Metrics
from ..store import Document, Index, Store
from . import handlers
from .access import ANONYMOUS, OPERATIONS, READ, Access, Authenticator, Principal, known_access, requires
from .answers import install_error_handlers, json_response
from .body import read_object
from .context import RequestContext, Services
from .direct import DirectRoutes
from .docs import About, RouteDocs, summary_of
from .documents import indexes_of
from .listing import parse_parameters
from .middleware import EdgeMiddleware
from .recording import Change, NoRecorder, Outcome, Recorder
from .resource import Resource
from .sight import SeenResources, Sight

PREFIX = "/api/v1"
MAX_ID = 60

Handler = Callable[[RequestContext], Awaitable[Response | Mapping[str, Any]]]
Action = Callable[[RequestContext, Document, dict[str, Any]], Awaitable[Mapping[str, Any]]]
_NO_DOCS = RouteDocs()


class AccessRoute(Route):
    """A route that says what it asks of its caller."""

    access: Access
    about: About
    is_alone: bool = True
    """No other route has this path: then it answers 405 itself, and no later route (the UI's) takes its other methods."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match by path alone; Route.handle refuses the method."""
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL and self.is_alone else match), {**child, "route": self}


@dataclass
class RestApi:
    """The API: resources, actions and routes over one store."""

    store: Store
    vault: Vault
    clock: Clock
    authenticator: Authenticator
    services: Services = field(default_factory=Services)
    resources: dict[str, Resource] = field(default_factory=dict)
    recorder: Recorder = field(default_factory=NoRecorder)
    metrics: Metrics = field(default_factory=Metrics)
    is_logging_access: bool = True
    _routes: list[AccessRoute] = field(default_factory=list)
    _log: structlog.stdlib.BoundLogger = field(default_factory=lambda: structlog.get_logger("rest"))

    def add(self, resource: Resource) -> None:
        """Serve a resource."""
        self.resources[resource.name] = resource
        path = f"{PREFIX}/{resource.name}"
        many = {"GET": ("list", handlers.list_), "POST": ("create", handlers.create), "DELETE": ("clear", handlers.clear)}
        one = {
            "GET": ("get", handlers.get),
            "PUT": ("replace", handlers.replace),
            "PATCH": ("patch", handlers.patch),
            "DELETE": ("delete", handlers.delete),
        }
        self._serve(path, resource, many)
        self._serve(f"{path}/{{id}}", resource, one)

    def _serve(self, path: str, resource: Resource, table: Mapping[str, tuple[str, handlers.Serve]]) -> None:
        offered = {method: serve for method, (name, serve) in table.items() if name in resource.methods}
        access = Access({method: f"{resource.name}.{OPERATIONS[method]}" for method in offered}, refuses=resource.refuses)

        async def handler(context: RequestContext) -> Response:
            method = "GET" if context.request.method == "HEAD" else context.request.method
            return await offered[method](context, context.resources[resource.name])

        if offered:
            about = About(resource.name, {method: table[method][0] for method in offered})
            self.route(path, handler, methods=tuple(offered), access=access, about=about)

    def action(self, name: str, action: str, handler: Action, *, access: Access | None = None, docs: RouteDocs = _NO_DOCS) -> None:
        """Serve POST /<name>/{id}/action/<action>: the handler gets the document and returns the one to show."""

        async def run(context: RequestContext) -> Response:
            resource = context.resources[name]
            document = await context.get(name, context.path_params["id"], permission=permission)
            context.sight.require_permission(resource, permission, document)
            answer = await handler(context, document, await read_object(context.request, is_optional=True))
            await context.record(action, name, document)
            return handlers.acted(context, resource, answer)

        permission = (access or requires(f"{name}.{action}")).permission("POST")
        about = About(name, action=action, docs=replace(docs, summary=docs.summary or summary_of(handler)))
        path = f"{PREFIX}/{name}/{{id}}/action/{action}"
        self.route(path, run, methods=("POST",), access=access or requires(permission), about=about)

    def route(
        self,
        path: str,
        handler: Handler,
        *,
        methods: Sequence[str] = ("GET",),
        access: Access,
        docs: RouteDocs = _NO_DOCS,
        about: About | None = None,
    ) -> None:
        """Serve something else. What the handler returns other than a Response becomes JSON."""

        async def endpoint(request: Request) -> Response:
            context = self._context(request, ANONYMOUS if access.is_open else await self._known(request))
            try:
                access.check(context.principal, request.method)
                answer = await handler(context)
            except ForbiddenError as error:
                if not access.is_open:  # an open route knows better who was refused, and records it
                    await _record_refusal(context, path, error)
                raise
            return answer if isinstance(answer, Response) else json_response(answer)

        route = AccessRoute(path, endpoint, methods=list(methods), name=path)
        route.access = access
        route.about = about or About(docs=replace(docs, summary=docs.summary or summary_of(handler)))
        self._routes.append(route)

    async def _known(self, request: Request) -> Principal:
        """Return the caller; a credential that is not good is recorded, and one that another site may have sent."""
        try:
            return await self.authenticator.authenticate(request)
        except (UnauthorizedError, ForbiddenError) as error:
            if isinstance(error, ForbiddenError) or request.headers.get("authorization"):
                change = Change("authenticate", "credentials", outcome=Outcome.REFUSED, message=error.text, principal=ANONYMOUS)
                await self._context(request, ANONYMOUS).tell(change)
            raise

    def _context(self, request: Request, principal: Principal) -> RequestContext:
        request.state.principal_id = principal.id
        sight = Sight(principal)
        return RequestContext(
            principal=principal,
            store=self.store,
            clock=self.clock,
            vault=self.vault,
            services=self.services,
            resources=SeenResources(sight, self.resources),
            request=request,
            request_id=getattr(request.state, "request_id", ""),
            log=self._log,
            parameters=parse_parameters(request.scope.get("query_string", b"")),
            recorder=self.recorder,
            permissions=self.permissions,
        )

    @property
    def routes(self) -> list[AccessRoute]:
        """Return the routes, fixed paths before those with parameters (`objectstores/provider-info` before `objectstores/{id}`)."""
        seen = Counter(route.path for route in self._routes)
        for route in self._routes:
            route.is_alone = seen[route.path] == 1
        return sorted(self._routes, key=lambda route: "{" in route.path)

    @cached_property
    def permissions(self) -> frozenset[str]:
        """Return every permission that something asks for. Look at it when all is declared."""
        asked = {permission for route in self._routes for permission in route.access.permissions.values()}
        for resource in self.resources.values():
            asked |= {permission for needed in resource.also_needs.values() for permission in needed} | set(resource.guarded.values())
        return frozenset(asked)

    def indexes(self) -> dict[str, tuple[Index, ...]]:
        """Return the indexes to be synced, by collection."""
        return {name: indexes_of(resource) for name, resource in self.resources.items()}

    def install(self, app: FastAPI) -> None:
        """Put the routes, the error form and the outermost layer into the application. Call it once, last."""
        app.router.redirect_slashes = False
        routes = self.routes
        app.router.routes.insert(0, DirectRoutes(route for route in routes if route.is_alone))
        app.router.routes.extend(routes)
        self.route(f"{PREFIX}/{{rest:path}}", _nothing_here, methods=_EVERY_METHOD, access=known_access("there is nothing to see"))
        app.router.routes.append(self._routes[-1])
        install_error_handlers(app)
        app.add_middleware(EdgeMiddleware, metrics=self.metrics, is_logging=self.is_logging_access)


_EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def _record_refusal(context: RequestContext, path: str, error: ForbiddenError) -> None:
    """Record what was not permitted: the operation as permissions call it, on the resource that the path names."""
    resource = path.removeprefix(f"{PREFIX}/").partition("/")[0]
    action = path.partition("/action/")[2]
    operation = action or OPERATIONS.get(context.request.method, READ)
    asked = {"_id": str(context.path_params.get("id", ""))[:MAX_ID]}
    await context.record(operation, resource, asked, outcome=Outcome.REFUSED, message=error.text)


async def _nothing_here(context: RequestContext) -> Response:
    raise NotFoundError(f'There is nothing at "{context.request.url.path[:200]}".')


def routes_without_access(app: FastAPI, *, known: Iterable[str] = ()) -> list[str]:
    """Return the paths of routes that say neither what they ask nor that they are open. A test wants this empty."""
    return [
        path
        for route in app.router.routes
        if not isinstance(route, DirectRoutes)
        and (path := str(getattr(route, "path", route))) not in set(known)
        and not isinstance(getattr(route, "access", None), Access)
    ]
