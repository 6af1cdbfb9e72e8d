"""Parameters of Prometheus' HTTP API: times, durations, steps, limits and selectors, read strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from agent.api.endpoint import Request
from model.duration import Duration
from model.misfit import Misfit
from rules.promql import Query, compile_query
from rules.promql.check import KIND_WORDS
from rules.promql.syntax import VectorSelector
from rules.store.store import Selector

ErrorType = Literal["bad_data", "execution", "timeout", "unavailable", "not_found", "internal"]

POINTS_MAX: Final = 11_000
SELECTORS_MAX: Final = 100
QUERIES_KNOWN_MAX: Final = 64
_FAR_MS: Final = 1 << 62

_RFC3339: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt](?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Go's least and greatest time, which Prometheus writes for "from the beginning" and "to the end".
_ENDS: Final = {
    "-292273086-05-16T16:47:06Z": -_FAR_MS,
    "292277025-08-18T07:12:54.999999999Z": _FAR_MS,
}


class Unanswered(Exception):
    """A question of the API has no answer; the kind is Prometheus' errorType."""

    def __init__(self, kind: ErrorType, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def wrong(name: str, sentence: str) -> Unanswered:
    """Return what is said of a parameter that cannot be read."""
    return Unanswered("bad_data", f'invalid parameter "{name}": {sentence}')


def moment_ms(request: Request, name: str, default_ms: int) -> int:
    """Return a time in ms, given in seconds since 1970 or as RFC 3339 writes it."""
    text = request.one(name)
    if not text:
        return default_ms
    if text in _ENDS:
        return _ENDS[text]
    seconds = _number(text)
    if seconds is not None:
        return round(max(-_FAR_MS, min(_FAR_MS, seconds * 1000)))
    shape = _RFC3339.fullmatch(text)
    try:
        return _calendar_ms(shape) if shape else _no_time(name, text)
    except ValueError:
        return _no_time(name, text)


def duration_ms(request: Request, name: str) -> int | None:
    """Return a length of time in ms, given in seconds or as in 1h30m; None when it is left out."""
    text = request.one(name)
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        if abs(seconds) * 1000 > _FAR_MS:
            raise wrong(name, f"{_shown(text)} overflows a duration")
        return round(seconds * 1000)
    try:
        return Duration.parse(text).ms
    except Misfit:
        raise wrong(name, f"cannot parse {_shown(text)} to a valid duration") from None


def span(request: Request, now_ms: int) -> tuple[int, int]:
    """Return the first and the last moment that are asked for; all time when they are left out."""
    first_ms, last_ms = moment_ms(request, "start", -_FAR_MS), moment_ms(request, "end", now_ms)
    if last_ms < first_ms:
        raise wrong("end", "end timestamp must not be before start time")
    return first_ms, last_ms


def steps(request: Request) -> range:
    """Return the moments of a range query, in ms."""
    for name in ("start", "end"):
        if not request.one(name):
            raise wrong(name, 'cannot parse "" to a valid timestamp')
    first_ms, last_ms = moment_ms(request, "start", 0), moment_ms(request, "end", 0)
    if last_ms < first_ms:
        raise wrong("end", "end timestamp must not be before start time")
    step_ms = duration_ms(request, "step")
    if step_ms is None:
        raise wrong("step", 'cannot parse "" to a valid duration')
    if step_ms <= 0:
        raise wrong("step", "zero or negative steps are not taken; try a positive number of seconds")
    if (last_ms - first_ms) // step_ms > POINTS_MAX:
        sentence = (
            f"exceeded maximum resolution of {POINTS_MAX:,} points per timeseries; choose a longer step"
        )
        raise Unanswered("bad_data", sentence)
    return range(first_ms, last_ms + 1, step_ms)


def whole(request: Request, name: str) -> int:
    """Return a count, 0 when it is left out."""
    text = request.one(name)
    if text and (not text.isascii() or not text.isdecimal() or len(text) > 15):
        raise wrong(name, f"{_shown(text)} is not a whole number")
    return int(text or 0)


def flag(request: Request, name: str) -> bool:
    """Return whether a parameter says true, as Go's strconv reads it."""
    text = request.one(name)
    if text not in ("", "1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        raise wrong(name, f"{_shown(text)} is neither true nor false")
    return text[:1] in ("1", "t", "T")


def query_of(text: str, name: str = "query") -> Query:
    """Compile an expression; a mistake is told with its line and column, as Prometheus tells it."""
    try:
        return _compiled(text)
    except Misfit as misfit:
        before = text[: misfit.offset]
        line, column = before.count("\n") + 1, misfit.offset - before.rfind("\n")
        raise wrong(name, f"{line}:{column}: parse error: {misfit.sentence}; {misfit.cure}") from None


def selectors(request: Request) -> tuple[Selector, ...]:
    """Return every ``match[]``; each is a selector of series."""
    texts = request.each("match[]")
    if len(texts) > SELECTORS_MAX:
        raise wrong("match[]", f"more than {SELECTORS_MAX} selectors")
    return tuple(map(_selector, texts))


def each_of(request: Request, name: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the values of a parameter that takes certain words only."""
    values = frozenset(value for value in request.each(name) if value)
    for value in sorted(values.difference(allowed)):
        raise wrong(name, f"not supported value {_shown(value)}")
    return values


def kind_words(query: Query) -> str:
    """Return what kind of value an expression has, in words."""
    return KIND_WORDS[query.kind]


@lru_cache(maxsize=QUERIES_KNOWN_MAX)
def _compiled(text: str) -> Query:
    """Compile an expression that a dashboard will ask for again; its selectors stay resolved meanwhile."""
    return compile_query(text)


def _selector(text: str) -> Selector:
    tree = query_of(text, "match[]").tree
    if not isinstance(tree, VectorSelector) or tree.shift.offset_ms or tree.shift.anchor is not None:
        raise wrong("match[]", f"{_shown(text)} is not a plain selector")
    return tree.selector


def _number(text: str) -> float | None:
    if len(text) > 100 or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _calendar_ms(shape: re.Match[str]) -> int:
    zone = shape["zone"].upper().replace("Z", "+00:00")
    second = datetime.fromisoformat(f"{shape['day']}T{shape['time']}{zone}")
    fraction = shape["fraction"] or ""
    return int(second.timestamp()) * 1000 + int((fraction[1:4] or "0").ljust(3, "0"))


def _no_time(name: str, text: str) -> int:
    raise wrong(name, f"cannot parse {_shown(text)} to a valid timestamp")


def _shown(text: str) -> str:
    return f'"{text[:60]}"'
