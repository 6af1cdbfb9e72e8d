"""The voices of the desk: one module for each, and one line here."""

from __future__ import annotations

from typing import Final

from desk.channels import chat, mail, mailbox, webhook
from model.plugin import AnyChannel

CHANNELS: Final[tuple[AnyChannel, ...]] = (
    mail.CHANNEL,
    mailbox.CHANNEL,
    webhook.CHANNEL,
    chat.CHANNEL,
    chat.PHONES,
)
