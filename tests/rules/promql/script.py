"""Prometheus' script-test format: what a script loads, and what it expects of each expression.

The format is that of Prometheus' ``promql/promqltest``: ``load``, ``clear``, ``eval instant``, ``eval range``
and their ``expect`` lines, in the older spelling (``eval_fail``, ``eval_ordered``) as well. Native histograms
are told from numbers and stand as ``HISTOGRAM``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from model.duration import Duration
from model.labels import Labels
from rules.promql.lexer import Token, tokens

STALE = "stale"
MISSING = "_"
HISTOGRAM = "histogram"
Value = float | str

_EVAL = re.compile(
    r"eval(?:_(?P<mode>fail|warn|info|ordered))?\s+(?:instant(?:\s+at\s+(?P<at>\S+))?"
    r"|range\s+from\s+(?P<first>\S+)\s+to\s+(?P<last>\S+)\s+step\s+(?P<step>\S+))\s+(?P<query>.+)"
)
_LOAD = re.compile(r"load(?P<converted>_with_nhcb)?\s+(?P<step>\S+)")
_EXPECT = re.compile(
    r"expect\s+(?P<what>ordered|fail|warn|no_warn|info|no_info)(?:\s+(?P<how>msg|regex):(?P<text>.+))?"
)
_SERIES = re.compile(
    r"[^{\s]*\s*(?:\{(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|[^}\"'`])*\})?(?=\s|$)"
)
_NUMBER = r"(?:(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)|(?i:inf|nan))"
_ITEM = re.compile(
    rf"(?P<word>_|stale|\{{\{{[^}}]*\}}\}}(?:[+-]\{{\{{[^}}]*\}}\}})?)(?:x(?P<times>[0-9]+))?(?=\s|$)"
    rf"|(?P<first>[+-]?{_NUMBER})(?:(?P<step>[+-]{_NUMBER}))?(?:x(?P<count>[0-9]+))?(?=\s|$)"
)


@dataclass(frozen=True, slots=True)
class Load:
    """Series to append from time 0 on, a step apart; ``converted`` makes histograms of buckets."""

    step_ms: int
    series: tuple[tuple[Labels, tuple[Value, ...]], ...]
    converted: bool = False


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget every series."""


@dataclass(slots=True)
class Eval:
    """An expression, when to evaluate it, and what is expected of it.

    ``step_ms`` is 0 for one moment. ``expected`` holds the series as written; ``scalar`` is set where a
    number alone is expected. ``fail_text`` or ``fail_regex`` tell more of an expected failure.
    """

    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int = 0
    fails: bool = False
    fail_text: str = ""
    fail_regex: str = ""
    ordered: bool = False
    scalar: float | None = None
    expected: list[tuple[Labels, tuple[Value, ...]]] = field(default_factory=list)


Command = Load | Clear | Eval


def read(text: str) -> Iterator[Command]:
    """Yield the commands of a script; raise ``ValueError`` with the line of what is none."""
    lines = [("" if line.lstrip().startswith("#") else line.strip()) for line in text.splitlines()]
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        while end < len(lines) and lines[end]:
            end += 1
        if not line:
            end = at + 1
        elif line == "clear":
            yield Clear()
            end = at + 1
        elif load := _LOAD.fullmatch(line):
            series = tuple(_series(each) for each in lines[at + 1 : end])
            yield Load(Duration.parse(load["step"]).ms, series, load["converted"] is not None)
        elif evaluate := _EVAL.fullmatch(line):
            yield _eval(evaluate, at + 1, lines[at + 1 : end])
        else:
            raise ValueError(f"line {at + 1}: {line!r} is no command")
        at = end


def _eval(found: re.Match[str], line: int, definitions: list[str]) -> Eval:
    start_ms = Duration.parse(found["at"] or found["first"] or "0").ms
    end_ms = Duration.parse(found["last"]).ms if found["last"] else start_ms
    step_ms = Duration.parse(found["step"]).ms if found["step"] else 0
    command = Eval(line, found["query"], start_ms, end_ms, step_ms)
    command.fails, command.ordered = found["mode"] == "fail", found["mode"] == "ordered"
    for definition in definitions:
        if expect := _EXPECT.fullmatch(definition):
            _note(command, expect)
        elif definition.startswith("expected_fail_message"):
            command.fail_text = definition.removeprefix("expected_fail_message").strip()
        elif definition.startswith("expected_fail_regexp"):
            command.fail_regex = definition.removeprefix("expected_fail_regexp").strip()
        elif re.fullmatch(rf"[+-]?{_NUMBER}", definition):
            command.scalar = float(definition)
        else:
            command.expected.append(_series(definition))
    return command


def _note(command: Eval, expect: re.Match[str]) -> None:
    """Take an ``expect`` line; warnings and infos are not part of what is checked."""
    command.ordered |= expect["what"] == "ordered"
    if expect["what"] == "fail":
        command.fails = True
        text = (expect["text"] or "").strip()
        if expect["how"] == "msg":
            command.fail_text = text
        else:
            command.fail_regex = text


def _series(text: str) -> tuple[Labels, tuple[Value, ...]]:
    found = _SERIES.match(text)
    if found is None:
        raise ValueError(f"{text!r} starts with no series")
    return labels_of(found[0]), tuple(values_of(text[found.end() :]))


def labels_of(text: str) -> Labels:
    """Read ``name{a="b"}`` or ``{"name", a="b"}``."""
    pairs: dict[str, str] = {}
    parts: list[Token] = []
    for token in tokens(text):
        if (token.kind == "operator" and token.text in "{,}") or token.kind == "end":
            if len(parts) == 1:
                pairs["__name__"] = parts[0].text
            elif len(parts) == 3:
                pairs[parts[0].text] = parts[2].text
            parts = []
        else:
            parts.append(token)
    return Labels.of(pairs)


def values_of(text: str) -> Iterator[Value]:
    """Read ``0+1x3 _ 5 stale``; what is no number stands for itself."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        item = _ITEM.match(text, at)
        if item is None:
            raise ValueError(f"{text[at:]!r} starts with no value")
        at = item.end()
        yield from _repeated(item)


def _repeated(item: re.Match[str]) -> list[Value]:
    if word := item["word"]:
        if word == MISSING:
            return [MISSING] * int(item["times"] or 1)
        return [STALE if word == STALE else HISTOGRAM] * (int(item["times"] or 0) + 1)
    first, value_step = float(item["first"]), item["step"]
    count = int(item["count"] or 0) + 1
    if not value_step:
        return [first] * count
    values: list[Value] = []
    value, step = first, float(value_step)
    for _ in range(count):
        values.append(value)
        value += step
    return values
