# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The failures that a module may end in. Each one is a sentence and a payload {code, message, details, url}.

from __future__ import annotations

import typing as t


class CloudCasaError(Exception):
    """A failure that a user can act on."""

    def __init__(self, message: str, *, code: str, details: t.Any = None, url: str = "", result: dict[str, t.Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details
        self.url = url
        self.result = result or {}
        """What is worth returning beside the failure, for instance the job that was last seen."""

    @property
    def failure(self) -> dict[str, t.Any]:
        """The payload that modules return as RV(failure)."""
        return {"code": self.code, "message": self.message, "details": self.details, "url": self.url}


class ApiError(CloudCasaError):
    """The server refused, or could not be reached (status 0)."""

    def __init__(self, message: str, *, status: int, code: str, issues: t.Any = None, url: str = "") -> None:
        super().__init__(message, code=code, details=issues, url=url)
        self.status = status
        self.issues = issues


class NotFoundError(CloudCasaError):
    """A thing that the task names is not on the server."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message, code="not_found", url=url)


class JobError(CloudCasaError):
    """A run ended otherwise than asked for."""


class WaitTimeoutError(CloudCasaError):
    """Something did not come about in time; the result carries what was last seen."""
