"""Alerts as Alertmanager's API v2 takes them: read strictly, completed, and merged with what is known."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from desk.incident.incident import Signal
from desk.intake.merging import merge
from desk.intake.standing import Standing, Stood, form_of
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
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


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


def read_alerts(body: bytes, now_ms: int, standing: Standing | None = None) -> Taken:
    """Return the alerts of a posted body, or raise ``Refused`` where it is not what the API takes.

    Those of which ``standing`` knows that they would change nothing are left out.
    """
    posted = _decoded(body)
    signals: dict[str, Signal] = {}
    unchanged: set[str] = set()
    problems: list[str] = []
    for one in posted:
        problem = _problem(one)
        times = None if problem else _times(one, now_ms)
        if times is None:
            problems.append(problem or "start time must be before end time")
            continue
        pairs = _pairs(one.labels)
        key = _key(pairs)
        if standing is not None and key not in signals and _goes_on(standing.find(key), one, times, now_ms):
            unchanged.add(key)
            continue
        signal = _signal(key, pairs, one, times, now_ms)
        known = signals.get(key)
        signals[key] = merge(known, signal, now_ms) if known else signal
    if not unchanged.isdisjoint(signals):
        # One alert says two things in this body: they count together, in their order.
        return read_alerts(body, now_ms)
    return Taken(tuple(signals.values()), tuple(problems))


def _decoded(body: bytes) -> list[Posted]:
    if len(body) > BODY_BYTES_MAX:
        raise Refused(413, f"the body has more than {BODY_BYTES_MAX} bytes")
    try:
        posted = _decoder.decode(without_nul(body))
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise Refused(400, f"the body is not a list of alerts: {wrong}") from None
    except RecursionError:
        raise Refused(400, "the body is not a list of alerts: it is nested too deep") from None
    if len(posted) > ALERTS_MAX:
        raise Refused(413, f"the body has {len(posted)} alerts, at most {ALERTS_MAX} are taken")
    return posted


def without_nul(data: bytes) -> bytes:
    r"""Return JSON with U+FFFD for each ``\u0000``, which no text of PostgreSQL can hold."""
    return _NUL.sub(rb"\1\\ufffd", data) if b"\\u0000" in data else data


def _problem(one: Posted) -> str:
    """Return why an alert cannot be taken, or the empty string."""
    labels, annotations = one.labels, one.annotations
    values = [*filter(None, labels.values()), *annotations.values()]
    count = len(values) - len(annotations)
    if not count:
        return "at least one label pair required"
    if count > LABELS_MAX or len(annotations) > LABELS_MAX:
        return f"at most {LABELS_MAX} labels and as many annotations are taken"
    names = [*labels, *annotations]
    if max(map(len, names)) > LABEL_NAME_MAX or not all(map(_is_name, names)):
        wrong = next(name for name in names if len(name) > LABEL_NAME_MAX or not _is_name(name))
        return f"invalid label name {wrong[:40]!r}"
    # A character has at most four bytes.
    if 4 * max(map(len, values)) > VALUE_BYTES_MAX:
        for name, value in (*labels.items(), *annotations.items()):
            if len(value.encode()) > VALUE_BYTES_MAX:
                return f"the value of {name!r} has more than {VALUE_BYTES_MAX} bytes"
    for text in (one.starts_at, one.ends_at):
        if text is not None and moment_ms(text) is None:
            return f"{text[:40]!r} is not a time of RFC 3339"
    return ""


def _times(one: Posted, now_ms: int) -> tuple[int, int, bool] | None:
    """Return an alert's start, its end and whether that is guessed; None where it ends before it starts."""
    starts_ms = moment_ms(one.starts_at) if one.starts_at else 0
    ends_ms = moment_ms(one.ends_at) if one.ends_at else 0
    assert starts_ms is not None, "judged before"
    assert ends_ms is not None, "judged before"
    starts_ms = starts_ms or (ends_ms if 0 < ends_ms < now_ms else now_ms)
    guessed = not ends_ms
    ends_ms = ends_ms or now_ms + RESOLVE_TIMEOUT_MS
    # A clock that runs ahead must not make trouble begin in the future.
    return None if ends_ms < starts_ms else (min(starts_ms, now_ms), ends_ms, guessed)


def _pairs(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return sorted pairs; an empty value means that the label is absent."""
    if all(labels.values()):
        return tuple(sorted(labels.items()))
    return tuple(sorted(pair for pair in labels.items() if pair[1]))


def _goes_on(stood: Stood | None, one: Posted, times: tuple[int, int, bool], now_ms: int) -> bool:
    if stood is None or not stood.goes_on(times[0], times[1], now_ms):
        return False
    return stood.form == form_of(_words(one.annotations), one.generator_url[:VALUE_BYTES_MAX])


def _signal(
    key: str, pairs: tuple[tuple[str, str], ...], one: Posted, times: tuple[int, int, bool], now_ms: int
) -> Signal:
    """Return an alert completed as Alertmanager does it."""
    starts_ms, ends_ms, guessed = times
    return Signal(
        key=key,
        labels=Labels(pairs),
        annotations=_words(one.annotations),
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        updated_ms=now_ms,
        guessed=guessed,
        over=ends_ms <= now_ms,
        source=one.generator_url[:VALUE_BYTES_MAX],
    )


def _words(annotations: dict[str, str]) -> dict[str, str]:
    if all(annotations.values()):
        return annotations
    return {name: value for name, value in annotations.items() if value}


def key_of(labels: Labels) -> str:
    """Return what names a label set in the store: 128 bits of BLAKE2b over its sorted pairs, in hex."""
    return _key(labels.pairs)


def _key(pairs: tuple[tuple[str, str], ...]) -> str:
    return hashlib.blake2b(msgspec.json.encode(pairs), digest_size=16).hexdigest()


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
