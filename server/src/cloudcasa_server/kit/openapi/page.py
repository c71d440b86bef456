"""`/api-docs` and a page to read and try it, which works without any other host (docs/adr/0026).

Swagger UI's own files come from the package fastapi-swagger, which is nothing but a carrier here. The page runs under a policy that lets it load
from, and talk to, this server only; so nothing is inline, and Swagger UI's validator on the internet is off.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import orjson
from starlette.responses import Response

from ..errors import NotFoundError
from ..rest.access import open_access
from ..rest.api import RestApi
from ..rest.context import RequestContext
from ..rest.docs import RouteDocs

PATH = "/api-docs"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CloudCasa API</title>
<link rel="icon" type="image/png" href="{PATH}/ui/favicon-32x32.png">
<link rel="stylesheet" href="{PATH}/ui/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript. The description itself is at <a href="{PATH}">{PATH}</a>.</noscript>
<div id="swagger-ui"></div>
<script src="{PATH}/ui/swagger-ui-bundle.js"></script>
<script src="{PATH}/ui/start.js"></script>
</body>
</html>
"""
_START = f"""SwaggerUIBundle({{
  url: "{PATH}",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  // A change by session cookie needs it; with a key it does no harm.
  requestInterceptor: (request) => {{
    request.headers["X-Requested-With"] = "api-docs";
    return request;
  }},
  presets: [SwaggerUIBundle.presets.apis],
}});
"""
_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_REASON = "it says what the product can do, not what an installation holds"


def install_page(rest: RestApi, document: Callable[[], dict[str, Any]]) -> None:
    """Serve the description and its page. The document is made when it is first asked for: all routes are declared then."""

    @cache
    def text() -> tuple[bytes, str]:
        made = orjson.dumps(document())
        return made, f'"{sha256(made).hexdigest()[:40]}"'

    async def show_description(context: RequestContext) -> Response:
        """Answer this description, OpenAPI 3.1."""
        made, etag = text()
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        is_known = context.request.headers.get("if-none-match") == etag
        return Response(status_code=304, headers=headers) if is_known else Response(made, media_type="application/json", headers=headers)

    access = open_access(_REASON)
    rest.route(PATH, show_description, access=access)
    rest.route(f"{PATH}/ui", _show_page, access=access, docs=RouteDocs(summary="Read and try this API", media_type="text/html"))
    rest.route(f"{PATH}/ui/{{name}}", _show_file, access=access, docs=RouteDocs(is_listed=False))


async def _show_page(context: RequestContext) -> Response:
    del context
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


async def _show_file(context: RequestContext) -> Response:
    name = str(context.path_params["name"])
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=_HEADERS)
    if name not in _TYPES:
        raise NotFoundError(f'There is nothing at "{context.request.url.path[:200]}".')
    return Response(_file(name), media_type=_TYPES[name], headers={**_HEADERS, "Cache-Control": "public, max-age=3600"})


@cache
def _file(name: str) -> bytes:
    return (files("fastapi_swagger") / "resources" / name).read_bytes()
