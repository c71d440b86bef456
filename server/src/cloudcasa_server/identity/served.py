"""What the API serves of identity: one line per resource and route."""

from __future__ import annotations

from ..kit.rest import RestApi, RouteDocs, requires
from .audit import AUDITLOGS
from .groups import USERGROUPS, NewRows, update_acls
from .permissions import list_permissions
from .resource import APIKEYS
from .roles import ROLES
from .shown import ROWS_EXAMPLE, PermissionList


def declare(rest: RestApi, /) -> None:
    """Declare it."""
    for resource in (APIKEYS, ROLES, USERGROUPS, AUDITLOGS):
        rest.add(resource)
    rest.route("/api/v1/rbac/permissions", list_permissions, access=requires("roles.read"), docs=RouteDocs(answer=PermissionList))
    rest.route(
        "/api/v1/usergroups/{id}/action/update-acls",
        update_acls,
        methods=("POST",),
        access=requires("usergroups.update"),
        docs=RouteDocs(body=NewRows, example=ROWS_EXAMPLE, errors=frozenset({404, 412, 422, 428})),
    )
