"""The short notation in which rule tests write series: ``0+10x5 _ _x3 stale NaN``.

The language is that of Prometheus' promql/parser for series descriptions (promtool's ``input_series``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from model.labels import NAME, Labels
from model.misfit import Misfit
from rules.promql.lexer import Token, tokens

VALUES_MAX: Final = 1_000_000
"""How many values one series may have."""


class Gap(Enum):
    """What stands at a moment instead of a number."""

    MISSING = auto()
    STALE = auto()
    HISTOGRAM = auto()


Entry = float | Gap

_NUMBER: Final = r"(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)"
_WORD: Final = r"(?i:nan|inf)"
_ITEM: Final = re.compile(
    rf"(?P<gap>_)(?:x(?P<gaps>[0-9]+))?(?=\s|$)|(?P<stale>stale)(?=\s|$)"
    r"|(?P<native>\{\{[^}]*\}\}(?:[-+]\{\{[^}]*\}\})?(?:x[0-9]+)?)(?=\s|$)"
    rf"|(?P<first>[-+]?{_NUMBER})(?:(?P<step>[-+]{_NUMBER})?x(?P<times>[0-9]+))?(?=\s|$)"
    rf"|(?P<word>[-+]?{_WORD})(?=\s|$)"
)
_SPACE: Final = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class SeriesName:
    """The labels of a series, written ``name{label="value"}``."""

    labels: Labels

    @classmethod
    def parse(cls, text: str) -> SeriesName:
        """Read a metric name and labels, both optional."""
        pairs: dict[str, str] = {}
        left = iter(tokens(text))
        token = next(left)
        if token.kind == "word":
            pairs[NAME] = token.text
            token = next(left)
        if _is(token, "{"):
            token = _inside(left, pairs)
        if token.kind != "end":
            raise _unexpected(token)
        return cls(Labels.of(pairs))

    def __str__(self) -> str:
        return str(self.labels)


@dataclass(frozen=True, slots=True)
class SeriesValues:
    """The values of a series, one for each interval from the start on; a native histogram is only noted."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SeriesValues:
        """Read values, or raise ``Misfit`` at the first that is none."""
        entries: list[Entry] = []
        at = _after_space(text, 0)
        while at < len(text):
            item = _ITEM.match(text, at)
            if item is None:
                cure = "write numbers, a+bxn, a-bxn, axn, _, _xn or stale with spaces between them"
                raise Misfit(f"{text[at : at + 20]!r} is no value of a series", cure, offset=at)
            entries += _entries(item, VALUES_MAX - len(entries))
            at = _after_space(text, item.end())
        return cls(tuple(entries))


def _inside(left: Iterator[Token], pairs: dict[str, str]) -> Token:
    """Read labels up to the closing brace; return the token after it."""
    token = next(left)
    while not _is(token, "}"):
        token = _label(token, left, pairs)
        if _is(token, ","):
            token = next(left)
        elif not _is(token, "}"):
            raise _unexpected(token)
    return next(left)


def _label(name: Token, left: Iterator[Token], pairs: dict[str, str]) -> Token:
    """Read ``label="value"``, or a metric name in quotes; return the token after it."""
    if name.kind not in ("word", "string"):
        raise _unexpected(name)
    after = next(left)
    if name.kind == "string" and not _is(after, "="):
        pairs[NAME] = name.text
        return after
    value = next(left) if _is(after, "=") else after
    if not _is(after, "=") or value.kind != "string":
        raise _unexpected(value)
    pairs[name.text] = value.text
    return next(left)


def _is(token: Token, operator: str) -> bool:
    return token.kind == "operator" and token.text == operator


def _unexpected(token: Token) -> Misfit:
    got = repr(token.text) if token.text else "the end"
    return Misfit(f"{got} may not stand here", 'write a series like up{job="web"}', offset=token.at)


def _entries(item: re.Match[str], left: int) -> list[Entry]:
    if item["stale"] or item["native"]:
        return [Gap.STALE if item["stale"] else Gap.HISTOGRAM]
    many = int(item["gaps"] or 1) if item["gap"] else int(item["times"] or 0) + 1
    if many > left:
        cure = f"keep it within {VALUES_MAX} values"
        raise Misfit("the series is too long", cure, offset=item.start())
    if item["gap"]:
        return [Gap.MISSING] * many
    if item["word"]:
        return [float(item["word"])]
    value, step = float(item["first"]), float(item["step"] or 0)
    if not step:
        return [value] * many
    entries: list[Entry] = []
    for _ in range(many):
        entries.append(value)
        value += step  # Added up as Prometheus does, and not multiplied: 0.1 ten times is not 1.
    return entries


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None, "the pattern matches the empty text"
    return space.end()
