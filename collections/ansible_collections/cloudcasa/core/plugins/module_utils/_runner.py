# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# How a module body is run: from options to a client, from an exception to a failure. The only place that calls fail_json.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._api import Api
from ._errors import CloudCasaError
from ._http import Http, OpenUrlHttp
from ._resources import CloudCasa

Result = t.Dict[str, t.Any]
Body = t.Callable[[AnsibleModule, CloudCasa], Result]


def run_body(module: AnsibleModule, body: Body) -> None:
    """Run the body of a module and end the module with what it returns or raises."""
    try:
        result = body(module, create_client(module))
    except CloudCasaError as e:
        module.fail_json(msg=e.message, failure=e.failure, **e.result)
    module.exit_json(**result)


def create_client(module: AnsibleModule) -> CloudCasa:
    """Return a client for the server that the options name."""
    api = Api(create_http(module), base_url=module.params["api_url"], api_key=module.params["api_key"])
    return CloudCasa(api)


def create_http(module: AnsibleModule) -> Http:
    """Return the way to reach the server."""
    params = module.params
    return OpenUrlHttp(validate_certs=params["validate_certs"], ca_path=params["ca_path"], timeout_seconds=params["api_timeout"])
