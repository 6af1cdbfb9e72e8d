"""Canaries: a message to nobody on each channel, which comes back to the desk; a missing one is an alert.

A mail server that takes mails and never delivers them looks well from here. So the desk writes to an address
of its own on each channel, and whatever receives that hands it in. The token in it says which one it is.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.envelope import Stationery
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from desk.store.store import upsert
from desk.ways.voices import Canaries, Canary
from model.labels import Labels
from model.plugin import Event, Message

ALERT: Final = "DeskChannelSilent"
LEASE_MS: Final = 300_000
"""How long the alert is believed without being said again; it is said at each look."""
BODY_BYTES_MAX: Final = 256 << 10
FOUND_MAX: Final = 16
REPLY_CHARACTERS_MAX: Final = 200

_TOKEN: Final = re.compile(rb"canary-(email|webhook|chat|sms)-(\d{13})-([0-9a-f]{32})")


def token(secret: bytes, channel: str, sent_ms: int) -> str:
    """Return what stands in a canary; nobody else can make one."""
    return f"canary-{channel}-{sent_ms}-{_mark(secret, channel, sent_ms)}"


def found(secret: bytes, data: bytes) -> tuple[str, int] | None:
    """Return the channel and the moment of the first genuine token in what came back, else None."""
    for number, shape in enumerate(_TOKEN.finditer(data)):
        channel, sent_ms = shape[1].decode(), int(shape[2])
        if hmac.compare_digest(shape[3].decode(), _mark(secret, channel, sent_ms)):
            return channel, sent_ms
        if number >= FOUND_MAX:
            break
    return None


def _mark(secret: bytes, channel: str, sent_ms: int) -> str:
    return hmac.digest(secret, f"canary {channel} {sent_ms}".encode(), "sha256").hex()[:32]


@dataclass(frozen=True, slots=True)
class Flight:
    """How the canary of a channel stands; ``waits_ms`` is when the oldest was sent that is not back, or 0."""

    channel: str
    sent_ms: int = 0
    waits_ms: int = 0
    heard_ms: int = 0
    took_ms: int = 0
    silent_ms: int = 0
    reply: str = ""


def is_missing(flight: Flight, started_ms: int, missing_ms: int, now_ms: int) -> bool:
    """Tell whether a canary is overdue; while the desk itself was not there, none could come back."""
    return bool(flight.waits_ms) and now_ms - max(flight.waits_ms, started_ms) >= missing_ms


def back(flight: Flight, sent_ms: int, every_ms: int) -> int:
    """Return for which canary one waits after this one came back, 0 for none: later ones may be under way."""
    return 0 if sent_ms >= flight.sent_ms else max(flight.waits_ms, min(sent_ms + every_ms, flight.sent_ms))


@dataclass(frozen=True, slots=True)
class Sent:
    """A canary to hand over now; the try is written down already."""

    channel: str
    message: Message


def take(conn: Connection, stationery: Stationery, now_ms: int) -> Sent | None:
    """Write down the next canary that is due, and return it."""
    canaries = stationery.canaries
    if canaries is None:
        return None
    known = flights(conn)
    for one in canaries.to:
        flight = known.get(one.channel, Flight(one.channel))
        if now_ms - flight.sent_ms >= canaries.every.ms:
            _keep(conn, one.channel, {"sent_ms": now_ms, "waits_ms": flight.waits_ms or now_ms})
            return Sent(one.channel, message(stationery, one, now_ms))
    return None


def next_ms(conn: Connection, canaries: Canaries | None) -> int:
    """Return when the next canary is due, 0 for never."""
    if canaries is None:
        return 0
    known = flights(conn)
    return min(known.get(one.channel, Flight(one.channel)).sent_ms + canaries.every.ms for one in canaries.to)


def message(stationery: Stationery, canary: Canary, now_ms: int) -> Message:
    """Return a canary; its subject is the token alone, so that no encoding hides it."""
    name = token(stationery.secret, canary.channel, now_ms)
    text = f"This message tests that messages arrive. Hand it in at {stationery.url}/canary.\n{name}\n"
    host = stationery.url.host
    return Message(
        id=f"<{name}@{host}>",
        to=str(canary.to),
        subject=name,
        text=text,
        html=f"<p>{name}</p>",
        language="en",
        written_ms=now_ms,
        headers=(("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")),
        channel=canary.channel,
        event=Event("canary", (("token", name),)),
    )


def record(conn: Connection, sent: Sent, state: str, reply: str) -> None:
    """Write down what the first server said of a canary; only its return counts."""
    _keep(conn, sent.channel, {"reply": f"{state}: {reply}"[:REPLY_CHARACTERS_MAX]})


def hear(conn: Connection, channel: str, sent_ms: int, every_ms: int, now_ms: int) -> bool:
    """Write down that a canary came back; return whether this channel has any."""
    flight = flights(conn).get(channel)
    if flight is None or sent_ms > flight.sent_ms:
        return False
    values = {
        "heard_ms": now_ms,
        "took_ms": max(0, now_ms - sent_ms),
        "waits_ms": back(flight, sent_ms, every_ms),
    }
    _keep(conn, channel, values)
    return True


def flights(conn: Connection) -> dict[str, Flight]:
    """Return how the canary of each channel stands."""
    return {
        row.channel: Flight(*row)
        for row in conn.execute(sa.select(schema.canary).order_by(schema.canary.c.channel))
    }


def silent_channels(conn: Connection) -> frozenset[str]:
    """Return the channels whose canary is missing."""
    table = schema.canary
    return frozenset(conn.execute(sa.select(table.c.channel).where(table.c.silent_ms > 0)).scalars())


@dataclass(frozen=True, slots=True)
class News:
    """The alerts of the desk about itself, and those of them that begin or end just now."""

    signals: tuple[Signal, ...]
    begun: tuple[Flight, ...] = ()
    ended: tuple[Flight, ...] = ()


def news(conn: Connection, canaries: Canaries | None, started_ms: int, now_ms: int) -> News:
    """Return the word on each channel that is silent now, and on each that was and is no more."""
    known = flights(conn)
    if not known:
        return News(())
    wanted = {one.channel for one in canaries.to} if canaries else set()
    missing_ms = canaries.missing_after.ms if canaries else 0
    gone = [
        one
        for one in known.values()
        if one.channel in wanted and is_missing(one, started_ms, missing_ms, now_ms)
    ]
    begun = tuple(one for one in gone if not one.silent_ms)
    ended = tuple(one for one in known.values() if one.silent_ms and one not in gone)
    for one in begun:
        _keep(conn, one.channel, {"silent_ms": now_ms})
    for one in ended:
        _keep(conn, one.channel, {"silent_ms": 0})
    for channel in known.keys() - wanted:
        conn.execute(sa.delete(schema.canary).where(schema.canary.c.channel == channel))
    return News((*_said(gone, now_ms, now_ms + LEASE_MS), *_said(ended, now_ms, now_ms)), begun, ended)


def _said(flights: Sequence[Flight], now_ms: int, ends_ms: int) -> tuple[Signal, ...]:
    return tuple(alert(one, one.silent_ms or now_ms, ends_ms, now_ms) for one in flights)


def alert(flight: Flight, since_ms: int, ends_ms: int, now_ms: int) -> Signal:
    """Return the word that a channel is silent, or with an end that is past that it speaks again."""
    labels = Labels.of({"alertname": ALERT, "channel": flight.channel, "severity": "critical"})
    words = {
        "summary": f"Messages by {flight.channel} do not arrive.",
        "description": f"The canary is not back. The first server said: {flight.reply or 'nothing'}",
    }
    return Signal(
        key_of(labels), labels, words, since_ms, ends_ms, now_ms, over=ends_ms <= now_ms, source="desk"
    )


def _keep(conn: Connection, channel: str, values: Mapping[str, int | str]) -> None:
    insert = upsert(conn, schema.canary).values(channel=channel, **values)
    conn.execute(insert.on_conflict_do_update(index_elements=["channel"], set_=values))
