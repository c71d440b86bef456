"""Examples of hooks, for the API's description. Source: rest-api.md 2.5."""

from __future__ import annotations

EXAMPLE = {
    "name": "flush the queue",
    "hook_type": "PRE_BACKUP",
    "hook": [{"labels": {"app": "queue,broker"}, "target": [{"container": "queue", "command": "/bin/sh -c 'queuectl flush'"}]}],
}
