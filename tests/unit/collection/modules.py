"""Run a whole module of the collection in this process, as Ansible would: arguments in, JSON out, no_log applied."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from typing import Any

from ansible.module_utils.testing import patch_module_args

Result = dict[str, Any]
MODULES = "ansible_collections.cloudcasa.core.plugins.modules"


class ModuleFailedError(AssertionError):
    """A module failed where the test did not expect it."""


def run(name: str, /, *, check: bool = False, **options: Any) -> Result:
    """Run a module and return what it returned, failure included."""
    module = importlib.import_module(f"{MODULES}.{name}")
    arguments = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp", **options}
    printed = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main()
    result = _result(printed.getvalue())
    result.pop("invocation", None)
    return result


def _result(printed: str) -> Result:
    """Return the JSON line of the module; a server in the same process may have logged beside it."""
    lines = [line for line in printed.splitlines() if line.startswith("{") and line.endswith("}")]
    result: Result = json.loads(lines[-1])
    return result


class Runner:
    """Runs modules against one server."""

    def __init__(self, **auth: Any) -> None:
        self._auth = auth

    def __call__(self, name: str, /, **options: Any) -> Result:
        """Run a module that has to succeed."""
        result = run(name, **{**self._auth, **options})
        if result.get("failed"):
            raise ModuleFailedError(result.get("msg"))
        return result

    def fail(self, name: str, /, **options: Any) -> Result:
        """Run a module that has to fail."""
        result = run(name, **{**self._auth, **options})
        assert result.get("failed"), result
        return result
