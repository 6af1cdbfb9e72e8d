"""Alerts as Alertmanager's API v2 takes them: read strictly, completed, and merged with what is known."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from desk.incident import Signal
from model.labels import Labels

BODY_BYTES_MAX: Final = 8 << 20
ALERTS_MAX: Final = 5_000
LABELS_MAX: Final = 64
LABEL_NAME_MAX: Final = 128
VALUE_BYTES_MAX: Final = 4 << 10
RESOLVE_TIMEOUT_MS: Final = 300_000
MOMENT_MAX: Final = 64
TEXTS_KEPT: Final = 4_096
PROBLEMS_SAID_MAX: Final = 50

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:([Zz])|([+-])(\d\d):(\d\d))"
)
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


_WIRE: Final = {"starts_at": "startsAt", "ends_at": "endsAt", "generator_url": "generatorURL"}


class Posted(msgspec.Struct, frozen=True, rename=_WIRE):
    """One alert as it is posted; times are texts of RFC 3339, and unknown fields are ignored."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str = ""


class Refused(Exception):
    """A body is not taken as a whole; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Taken:
    """The alerts of a body that are sound, each once, and the sentences on those that are not."""

    signals: tuple[Signal, ...]
    problems: tuple[str, ...]


_decoder: Final = msgspec.json.Decoder(list[Posted])


def read_alerts(body: bytes, now_ms: int) -> Taken:
    """Return the alerts of a posted body, or raise ``Refused`` where it is not what the API takes."""
    if len(body) > BODY_BYTES_MAX:
        raise Refused(413, f"the body has more than {BODY_BYTES_MAX} bytes")
    try:
        posted = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise Refused(400, f"the body is not a list of alerts: {wrong}") from None
    except RecursionError:
        raise Refused(400, "the body is not a list of alerts: it is nested too deep") from None
    if len(posted) > ALERTS_MAX:
        raise Refused(413, f"the body has {len(posted)} alerts, at most {ALERTS_MAX} are taken")
    signals: dict[str, Signal] = {}
    problems: list[str] = []
    for one in posted:
        problem = _problem(one)
        signal = None if problem else _signal(one, now_ms)
        if signal is None:
            problems.append(problem or "start time must be before end time")
        else:
            known = signals.get(signal.key)
            signals[signal.key] = merge(known, signal, now_ms) if known else signal
    return Taken(tuple(signals.values()), tuple(problems))


def _problem(one: Posted) -> str:
    """Return why an alert cannot be taken, or the empty string."""
    pairs = [(name, value) for name, value in one.labels.items() if value]
    if not pairs:
        return "at least one label pair required"
    if len(pairs) > LABELS_MAX or len(one.annotations) > LABELS_MAX:
        return f"at most {LABELS_MAX} labels and as many annotations are taken"
    for name in (*one.labels, *one.annotations):
        if len(name) > LABEL_NAME_MAX or not _is_name(name):
            return f"invalid label name {name[:40]!r}"
    for name, value in (*pairs, *one.annotations.items()):
        # A character has at most four bytes.
        if 4 * len(value) > VALUE_BYTES_MAX and len(value.encode()) > VALUE_BYTES_MAX:
            return f"the value of {name!r} has more than {VALUE_BYTES_MAX} bytes"
    for text in (one.starts_at, one.ends_at):
        if text is not None and moment_ms(text) is None:
            return f"{text[:40]!r} is not a time of RFC 3339"
    return ""


def _signal(one: Posted, now_ms: int) -> Signal | None:
    """Complete an alert as Alertmanager does, or return None where it ends before it starts."""
    starts_ms = moment_ms(one.starts_at) if one.starts_at else 0
    ends_ms = moment_ms(one.ends_at) if one.ends_at else 0
    assert starts_ms is not None, "judged before"
    assert ends_ms is not None, "judged before"
    starts_ms = starts_ms or (ends_ms if 0 < ends_ms < now_ms else now_ms)
    guessed = not ends_ms
    ends_ms = ends_ms or now_ms + RESOLVE_TIMEOUT_MS
    if ends_ms < starts_ms:
        return None
    labels = Labels(tuple(sorted(pair for pair in one.labels.items() if pair[1])))
    return Signal(
        key=key_of(labels),
        labels=labels,
        annotations={name: value for name, value in one.annotations.items() if value},
        # A clock that runs ahead must not make trouble begin in the future.
        starts_ms=min(starts_ms, now_ms),
        ends_ms=ends_ms,
        updated_ms=now_ms,
        guessed=guessed,
        over=ends_ms <= now_ms,
        source=one.generator_url[:VALUE_BYTES_MAX],
    )


def key_of(labels: Labels) -> str:
    """Return what names a label set in the store: 128 bits of BLAKE2b over its sorted pairs, in hex."""
    return hashlib.blake2b(msgspec.json.encode(labels.pairs), digest_size=16).hexdigest()


def merge(old: Signal, new: Signal, now_ms: int) -> Signal:
    """Return what two reports of one alert mean together, as Alertmanager merges them.

    Only reports of one episode merge: their times overlap. The earliest start holds, the newest words
    hold, a reported end wins over firing, and an end that was named outlasts an earlier one named later,
    while an end that was guessed does not.
    """
    if not same_episode(old, new):
        return new
    ends_ms = new.ends_ms
    if new.over:
        ends_ms = max(ends_ms, old.ends_ms) if old.over else ends_ms
    elif old.ends_ms > ends_ms and not old.guessed:
        ends_ms = old.ends_ms
    starts_ms, over = min(old.starts_ms, new.starts_ms), new.over and ends_ms <= now_ms
    if (starts_ms, ends_ms, over) == (new.starts_ms, new.ends_ms, new.over):
        return new
    return replace(new, starts_ms=starts_ms, ends_ms=ends_ms, over=over)


def same_episode(old: Signal, new: Signal) -> bool:
    """Tell whether two reports speak of one stretch of firing."""
    return new.starts_ms == old.starts_ms or (new.starts_ms < old.ends_ms and old.starts_ms < new.ends_ms)


def is_news(old: Signal, new: Signal) -> bool:
    """Tell whether a report says more than that an alert goes on."""
    return (
        old.annotations != new.annotations
        or old.over != new.over
        or old.starts_ms != new.starts_ms
        or (new.over and old.ends_ms != new.ends_ms)
        or old.source != new.source
    )


def moment_ms(text: str) -> int | None:
    """Return a time of RFC 3339 in ms since 1970 in UTC, with any number of digits after the second.

    Returns None where it is no time, and 0 for the zero time of Go, which stands for none.
    """
    return _moment_ms(text) if len(text) <= MOMENT_MAX else None


# The alerts of one body have few names and moments among them.
@lru_cache(TEXTS_KEPT)
def _is_name(text: str) -> bool:
    return _LABEL_NAME.fullmatch(text) is not None


@lru_cache(TEXTS_KEPT)
def _moment_ms(text: str) -> int | None:
    shape = _RFC3339.fullmatch(text)
    if shape is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in shape.groups()[:6])
    fraction_ms = int((shape[7] or "0")[:3].ljust(3, "0"))
    try:
        # RFC 3339 writes a leap second as :60; it is taken as the last moment before the next minute.
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        if second > 60 or (shape[9] and (int(shape[10]) > 23 or int(shape[11]) > 59)):
            return None
        offset = timedelta(hours=int(shape[10] or 0), minutes=int(shape[11] or 0))
        at = at - offset if shape[9] == "+" else at + offset
    except (ValueError, OverflowError):
        return None
    return max(0, round((at - _EPOCH) / timedelta(milliseconds=1)) + fraction_ms)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def said(problems: Sequence[str]) -> str:
    """Return the sentences joined as Alertmanager joins them, within a limit."""
    more = len(problems) - PROBLEMS_SAID_MAX
    return "; ".join((*problems[:PROBLEMS_SAID_MAX], *((f"and {more} more",) if more > 0 else ())))
