"""A place among the tokens of an expression, and the small things that are read there."""

from __future__ import annotations

import math
from typing import Final, NoReturn

from model.duration import Duration
from model.misfit import Misfit
from rules.promql.lexer import Token

_RANGE_MS_MAX: Final = (1 << 63) // 1_000_000
"""The longest time that Go's durations hold, in ms."""
TIME_MS_MAX: Final = (1 << 63) - 1024
"""The latest time that Go counts in ms, as a float comes near it."""


class Cursor:
    """Reads tokens from left to right; the last one, of kind ``end``, is never passed.

    ``experimental`` tells whether what Prometheus has behind its switches may be read.
    """

    def __init__(self, found: list[Token], *, experimental: bool = False) -> None:
        self.experimental = experimental
        self._tokens = found
        self._next = 0

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._next]

    @property
    def after(self) -> Token:
        """The token behind the next one."""
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    @property
    def word(self) -> str:
        """The next token in lower case if it is a word: keywords may be written in any case."""
        return self.token.text.lower() if self.token.kind == "word" else ""

    def take(self) -> Token:
        """Return the next token and pass it."""
        token = self.token
        self._next += token.kind != "end"
        return token

    def sees(self, *texts: str) -> bool:
        """Tell whether one of these operators comes next."""
        return self.token.kind == "operator" and self.token.text in texts

    def expect(self, text: str) -> Token:
        """Take this operator, which must come next."""
        if not self.sees(text):
            self.unexpected(repr(text))
        return self.take()

    def unexpected(self, wanted: str) -> NoReturn:
        """Refuse the next token."""
        got = "the end of the expression" if self.token.kind == "end" else repr(self.token.text[:40])
        raise Misfit(f"unexpected {got}", f"expected {wanted}", offset=self.token.at)

    def label_list(self) -> tuple[str, ...]:
        """Read label names in parentheses; a comma may end them."""
        self.expect("(")
        labels: list[str] = []
        while not self.sees(")"):
            if self.token.kind not in ("word", "string") or ":" in self.token.text or not self.token.text:
                self.unexpected("a label name")
            labels.append(self.take().text)
            if not self.sees(","):
                break
            self.take()
        self.expect(")")
        return tuple(labels)

    def sign(self) -> int:
        """Read a sign, if there is one, as 1 or -1."""
        if self.sees("-", "+"):
            return -1 if self.take().text == "-" else 1
        return 1

    def duration_ms(self, wanted: str) -> int:
        """Read a duration, or a number of seconds."""
        if self.sees("(") or self.word in ("step", "range", "min", "max"):
            self.computed()
        if self.token.kind not in ("number", "duration"):
            self.unexpected(wanted)
        token = self.take()
        return _duration_ms(token) if token.kind == "duration" else milliseconds(number(token), token)

    def computed(self) -> NoReturn:
        """Refuse arithmetic where a duration stands."""
        sentence = "computed durations are experimental and not supported"
        raise Misfit(sentence, "write the duration out", offset=self.token.at)


def number(token: Token) -> float:
    """Return the value of a number as Go reads it, with a leading 0 for octal, or a duration in seconds."""
    if token.kind == "duration":
        return _duration_ms(token) / 1000
    text = token.text.replace("_", "").lower()
    if text.startswith("0x"):
        return _whole(text, 16)
    if len(text) > 1 and text.startswith("0") and all(digit in "01234567" for digit in text):
        return _whole(text, 8)
    return float(text)


def _whole(text: str, radix: int) -> float:
    try:
        return float(int(text, radix))
    except OverflowError:
        return math.inf


def milliseconds(amount_s: float, token: Token, most_ms: int = _RANGE_MS_MAX) -> int:
    """Return seconds as whole milliseconds."""
    if not math.isfinite(amount_s) or abs(amount_s) * 1000 > most_ms:
        raise Misfit(f"{token.text[:40]} seconds are too long", "write a duration like 5m", offset=token.at)
    return round(amount_s * 1000)


def _duration_ms(token: Token) -> int:
    try:
        length_ms = Duration.parse(token.text).ms
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=token.at) from None
    if length_ms > _RANGE_MS_MAX:
        raise Misfit(f"the duration {token.text[:30]} is too long", "the longest is 292y", offset=token.at)
    return length_ms
