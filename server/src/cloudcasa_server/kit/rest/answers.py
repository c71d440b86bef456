"""Answers: always JSON with a JSON content type, errors in one form (rest-api.md 1.3, 1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..crypto import VaultError
from ..errors import AppError
from ..store import StoreUnavailableError

RETRY_AFTER_SECONDS = 5


def json_response(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer. Never cached: documents change without their etag changing (status)."""
    return Response(
        orjson.dumps(content), status_code=status, media_type="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def error_response(
    status: int, text: str, *, issues: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in the standard form."""
    body: dict[str, Any] = {"_status": "ERR", "_error": {"code": status, "message": text}}
    if issues:
        body["_issues"] = dict(issues)
    return json_response(body, status=status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Render every error in the standard form."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(StoreUnavailableError, _store_unavailable)
    app.add_exception_handler(VaultError, _vault_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _request_error)


async def _app_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, AppError):
        raise error
    return error_response(error.status, error.text, issues=error.issues, headers=error.headers)


async def _store_unavailable(_: Request, error: Exception) -> Response:
    _log().warning("The database is unavailable", reason=str(error))
    text = "The database cannot be reached now. Try again in a few seconds; the server's log has the reason."
    return error_response(503, text, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _vault_error(_: Request, error: Exception) -> Response:
    _log().error("A stored secret cannot be opened", reason=str(error))
    return error_response(500, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    texts = {
        404: f'There is nothing at "{request.url.path[:200]}".',
        405: f'The method {request.method} is not offered at "{request.url.path[:200]}".',
    }
    return error_response(error.status_code, texts.get(error.status_code, str(error.detail)), headers=error.headers)


async def _request_error(_: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    issues = {".".join(str(segment) for segment in one["loc"]): str(one["msg"]) for one in found}
    return error_response(422, next((f"{path}: {text}" for path, text in issues.items()), "The request is refused."), issues=issues)


def _log() -> structlog.stdlib.BoundLogger:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("rest")
    return log
