"""Who calls and what they may do: people and their sessions, API keys, roles."""

from .address import ClientAddress
from .declaration import declare_people
from .people import INDEXES as PEOPLE_INDEXES
from .people import People, wire_people
from .resource import APIKEYS
from .service import ApiKeys, new_key

__all__ = ["APIKEYS", "PEOPLE_INDEXES", "ApiKeys", "ClientAddress", "People", "declare_people", "new_key", "wire_people"]
