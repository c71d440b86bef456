"""Who calls: API keys and what they may do."""

from .resource import APIKEYS
from .service import ApiKeys, new_key

__all__ = ["APIKEYS", "ApiKeys", "new_key"]
