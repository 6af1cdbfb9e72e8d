"""Mail that came back: read from a mail server's report (RFC 3464), and what follows for its person; pure.

An address that does not exist is not written to again. One that has only passing trouble is, until that
lasts: five reports within seven days.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from enum import StrEnum
from typing import Final

REPORT_BYTES_MAX: Final = 256 << 10
RECIPIENTS_MAX: Final = 16
SOFT_MAX: Final = 5
SOFT_WITHIN_MS: Final = 7 * 86_400_000

_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_ADDRESS: Final = re.compile(r"[^\s<>;,]{1,254}")
_TEXT_CHARACTERS_MAX: Final = 200
# What says that the person is not there, as against the message, the route or the server (RFC 3463).
_GONE: Final = re.compile(r"5\.1\.(?:1|2|3|6|10)|5\.2\.1|5\.4\.14")


class Weight(StrEnum):
    """How much a report says: the address is gone, it has trouble, or it says nothing of the address."""

    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


class NoReport(Exception):
    """A message is no report of a delivery; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a mail server reports of one recipient; ``status`` is that of RFC 3463, like 5.1.1."""

    recipient: str
    status: str
    text: str = ""

    @property
    def weight(self) -> Weight:
        """How much it says."""
        if _GONE.fullmatch(self.status):
            return Weight.HARD
        return Weight.SOFT if self.status[:1] in ("4", "5") else Weight.NONE


def read_report(data: bytes) -> tuple[Bounce, ...]:
    """Return what a report says of each recipient, or raise ``NoReport``."""
    if len(data) > REPORT_BYTES_MAX:
        raise NoReport(f"it has more than {REPORT_BYTES_MAX} bytes")
    message = message_from_bytes(data, policy=policy.compat32)
    if message.get_content_type() != "multipart/report":
        raise NoReport("it is no multipart/report")
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            found = tuple(_bounces(part))
            if found:
                return found
    raise NoReport("it reports of no recipient")


def _bounces(part: Message) -> Iterable[Bounce]:
    blocks = part.get_payload()
    for block in blocks[: RECIPIENTS_MAX + 1] if isinstance(blocks, list) else ():
        if not isinstance(block, Message | EmailMessage):
            continue
        action = str(block.get("Action", "")).strip().lower()
        recipient = _address(str(block.get("Original-Recipient") or block.get("Final-Recipient") or ""))
        status = _STATUS.search(str(block.get("Status", "")))
        if recipient and status and action in ("failed", "delayed"):
            text = " ".join(str(block.get("Diagnostic-Code", "")).split())
            yield Bounce(recipient, status[0], _plain(text)[:_TEXT_CHARACTERS_MAX])


def _address(field: str) -> str:
    """Return the address of a field like ``rfc822; ada@acme.example``, small."""
    found = _ADDRESS.search(field.rpartition(";")[2].strip())
    return found[0].lower() if found else ""


def _plain(text: str) -> str:
    return "".join(one for one in text if one.isprintable())


def of_reply(recipient: str, reply: str) -> Bounce:
    """Return what a mail server said of a recipient at once, as it would report it later."""
    enhanced = _STATUS.search(reply)
    status = enhanced[0] if enhanced else "5.1.1" if reply.startswith("550 ") else "5.0.0"
    return Bounce(recipient.lower(), status, _plain(reply)[:_TEXT_CHARACTERS_MAX])


def suppression(bounce: Bounce, soft_before_ms: Iterable[int], now_ms: int) -> str:
    """Return why nothing is written to this address any more, or the empty text.

    ``soft_before_ms`` are the times of the soft reports before this one.
    """
    if bounce.weight is Weight.HARD:
        return f"the address does not exist ({bounce.status})"
    if bounce.weight is Weight.NONE:
        return ""
    lately = sum(at_ms > now_ms - SOFT_WITHIN_MS for at_ms in soft_before_ms) + 1
    return f"mail came back {lately} times within 7 days" if lately >= SOFT_MAX else ""
