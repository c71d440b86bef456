"""One way of telling for each kind of channel, behind a Protocol."""

from .base import Batch, Sender, SendError
from .chat import ChatSender
from .hook import HookSender
from .mail import MailSender, MailServer

__all__ = ["Batch", "ChatSender", "HookSender", "MailSender", "MailServer", "SendError", "Sender"]
