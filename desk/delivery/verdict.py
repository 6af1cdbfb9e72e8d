"""Whether somebody is written to now: judged at the last moment, from what is known of the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from desk.catalogue.person import Quiet, Zone
from desk.delivery.outbox import TOLD, TTL_MS
from desk.delivery.turns import Turn
from desk.ways.ways import EMAIL

ORDER_WAIT_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why a person is not written to; ``due_ms`` is when to look again, 0 for never.

    ``state`` and ``reply`` are what the log says of it. ``lost`` says that this way leads nowhere.
    """

    state: str
    reply: str
    due_ms: int = 0
    expires_ms: int = 0
    lost: bool = False


def not_now(turn: Turn, now_ms: int) -> NotNow | None:
    """Return why this person is not written to at this moment, or None."""
    if turn.gone:
        return NotNow("skipped", "the person left the catalogue")
    if turn.returned:
        what = "mail to this address came back" if turn.channel == EMAIL else "this address takes nothing now"
        return NotNow("skipped", f"{what}: {turn.returned}", lost=True)
    if not turn.address:
        return NotNow("skipped", f"the person is not told by {turn.channel} any more", lost=True)
    if turn.opted_out and not turn.team:
        return NotNow("skipped", "the person wants no messages about this service")
    if now_ms > turn.expires_ms:
        return NotNow("expired", "it is too old to be of use")
    return _out_of_order(turn, now_ms) or _in_quiet_hours(turn, now_ms)


def _out_of_order(turn: Turn, now_ms: int) -> NotNow | None:
    """Return why nothing later can be said yet: nobody hears of an end before the beginning."""
    if turn.notice.kind in ("first", "escalation"):
        return None
    if turn.first == "sending":
        wait = "the first message is still under way"
        return NotNow("retrying", wait, now_ms + ORDER_WAIT_MS, turn.expires_ms)
    return None if turn.first in TOLD else NotNow("skipped", "the first message never arrived")


def _in_quiet_hours(turn: Turn, now_ms: int) -> NotNow | None:
    # Whoever waited for the end of the night, or for another try, is not put off again.
    if not turn.quiet or turn.notice.urgent or turn.team or turn.before:
        return None
    until_ms = Quiet.parse(turn.quiet).end_ms(now_ms, Zone(turn.zone))
    if until_ms is None:
        return None
    return NotNow("quiet", f"quiet hours {turn.quiet}", until_ms, until_ms + TTL_MS[turn.notice.kind])
