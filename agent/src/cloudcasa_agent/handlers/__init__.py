"""One handler per command, and the dispatcher that runs them: parse, call the velero room, answer with a result."""

from .context import Context
from .dispatch import Dispatcher
from .registry import handle

__all__ = ["Context", "Dispatcher", "handle"]
