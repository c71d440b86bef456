"""The link to the server: one outbound websocket, what is kept until it is acknowledged, and the only user of websockets."""

from .credential import CredentialStore, FileCredentialStore
from .loop import Channel, ChannelSettings, Receiver
from .outbox import Outbox

__all__ = ["Channel", "ChannelSettings", "CredentialStore", "FileCredentialStore", "Outbox", "Receiver"]
