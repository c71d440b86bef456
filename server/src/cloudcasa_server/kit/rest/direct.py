"""Finding a route by its path in one step, in front of the router, which tries one pattern after the other.

There are some hundred routes, and the two of every uniform resource, `/api/v1/<name>` and `/api/v1/<name>/{id}`, get nearly all requests. What
is not of such a form, or shares its path with another route, is left to the router.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

_FOUND = "cloudcasa.direct_route"


class DirectRoutes(BaseRoute):
    """Stands before the routes that it knows the way to."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take routes that are each alone at their path."""
        self._fixed: dict[str, Route] = {}
        self._items: dict[str, tuple[Route, str]] = {}
        for route in routes:
            head, _, last = route.path.rpartition("/")
            if "{" not in route.path:
                self._fixed[route.path] = route
            elif "{" not in head and last.startswith("{") and last.endswith("}") and ":" not in last:
                self._items[head] = (route, last[1:-1])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of the path."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        path = scope["path"]
        if (route := self._fixed.get(path)) is not None:
            return Match.FULL, {"endpoint": route.endpoint, "path_params": {}, _FOUND: route}
        head, _, last = path.rpartition("/")
        found = self._items.get(head) if last else None
        if found is None:
            return Match.NONE, {}
        route, name = found
        return Match.FULL, {"endpoint": route.endpoint, "path_params": {name: last}, _FOUND: route}

    def url_path_for(self, name: str, /, **path_params: object) -> NoMatchFound:  # type: ignore[override]  # never asked: the routes behind answer
        """Leave it to the routes themselves."""
        raise NoMatchFound(name, dict(path_params))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over, as if the router had found the route itself."""
        route: Route = scope.pop(_FOUND)
        scope["route"] = route
        await route.handle(scope, receive, send)
