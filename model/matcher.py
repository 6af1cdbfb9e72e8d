"""Matchers: conditions on one label, as PromQL and Alertmanager write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from model.misfit import Misfit
from model.regex import Regex, compiled

Operator = Literal["=", "!=", "=~", "!~"]

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPERATOR: Final = re.compile(r"\s*(=~|!~|!=|=)\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_BARE: Final = re.compile(r'[^\s,"{}]*')
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a regular expression must match the whole value."""

    label: str
    operator: Operator
    value: str
    _regex: Regex | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        regex = compiled(self.value) if self.operator in ("=~", "!~") else None
        object.__setattr__(self, "_regex", regex)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the label set meets the condition; an absent label reads as empty."""
        value = labels.get(self.label, "")
        if self._regex is None:
            return (value == self.value) is (self.operator == "=")
        return self._regex.matches(value) is (self.operator == "=~")

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{quoted}"'


@dataclass(frozen=True, slots=True)
class Matchers:
    """Conditions that must all hold, written ``a="b", c=~"d|e"`` with or without braces."""

    each: tuple[Matcher, ...]

    @classmethod
    def parse(cls, text: str) -> Matchers:
        """Read Alertmanager's matcher list."""
        start, end = 0, len(text.rstrip())
        if text[:end].startswith("{") and text[:end].endswith("}"):
            start, end = 1, end - 1
        found: list[Matcher] = []
        while True:
            matcher, start = _one(text[:end], start)
            found.append(matcher)
            rest = text[start:end]
            start += len(rest) - len(rest.lstrip())
            if start >= end:
                return cls(tuple(found))
            if text[start] != ",":
                raise Misfit(
                    f"expected a comma, got {text[start]!r}", "separate matchers by commas", offset=start
                )
            start += 1

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether every condition holds."""
        return all(matcher.matches(labels) for matcher in self.each)

    def mismatch(self, labels: Mapping[str, str]) -> Matcher | None:
        """Return the first condition that does not hold, so that a near miss can be explained."""
        return next((matcher for matcher in self.each if not matcher.matches(labels)), None)

    def __str__(self) -> str:
        return ", ".join(map(str, self.each))


def _one(text: str, start: int) -> tuple[Matcher, int]:
    """Read one matcher; return it with the offset after it."""
    start += len(text[start:]) - len(text[start:].lstrip())
    name = _NAME.match(text, start)
    if name is None:
        raise Misfit("expected a label name", 'write a matcher like alertname="CheckoutDown"', offset=start)
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        raise Misfit("expected one of = != =~ !~", f'write {name[0]}="value"', offset=name.end())
    quoted = _QUOTED.match(text, operator.end())
    found = quoted or _BARE.match(text, operator.end())
    assert found is not None, "the bare form matches the empty text"
    value = re.sub(r"\\(.)", _unescaped, quoted[1]) if quoted else found[0]
    if not quoted and text[operator.end() : operator.end() + 1] == '"':
        raise Misfit("the quoted value does not end", 'close it with "', offset=operator.end())
    try:
        return Matcher(name[0], cast("Operator", operator[1]), value), found.end()
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=operator.end()) from None


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPES.get(escape[1], escape[0])
