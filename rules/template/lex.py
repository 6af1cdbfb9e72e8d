"""Cuts a template at its braces, and what stands inside them into words, as Go's text/template does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, cast
from typing import Literal as OneOf

from model.misfit import Misfit
from rules.template.tree import Text

_Kind = OneOf["space", "string", "raw", "number", "rune", "variable", "field", "word", "sign", "end"]

_OPEN: Final = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?")
_COMMENT: Final = re.compile(r"[ \t\r\n]*/\*.*?\*/(?P<trim>[ \t\r\n]+-)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"""(?P<end>(?:[ \t\r\n]+-)?\}\})
    |(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\\n]|\\(?:[abfnrtv\\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*")
    |(?P<raw>`[^`]*`)
    |(?P<rune>'(?:[^'\\\n]|\\(?:[abfnrtv\\']|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)(?!\w))
    |(?P<variable>\$\w*(?:\.\w+)*)
    |(?P<field>(?:\.\w+)+)
    |(?P<word>\w+)
    |(?P<sign>:=|[|().,=])""",
    re.VERBOSE,
)
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Token:
    """One word inside braces, with its offset in the template."""

    kind: _Kind
    text: str
    offset: int

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.offset + len(self.text)

    def is_sign(self, text: str) -> bool:
        """Tell whether this is one of the signs, and not a text that looks like it."""
        return self.kind == "sign" and self.text == text


@dataclass(frozen=True, slots=True)
class Action:
    """One pair of braces and what it holds."""

    tokens: tuple[Token, ...]
    offset: int

    @property
    def word(self) -> str:
        """The word that it begins with, or the empty text."""
        return self.tokens[0].text if self.tokens and self.tokens[0].kind == "word" else ""


def pieces(text: str) -> Iterator[Text | Action]:
    """Cut a template into what stands outside and inside the braces, trimmed as the markers ask."""
    start, trimmed = 0, False
    while True:
        opening = _OPEN.search(text, start)
        outside = text[start : opening.start() if opening else len(text)]
        outside = outside.lstrip(_SPACE) if trimmed else outside
        outside = outside.rstrip(_SPACE) if opening and opening["trim"] else outside
        if outside:
            yield Text(outside)
        if opening is None:
            return
        comment = _COMMENT.match(text, opening.end())
        if comment:
            start, trimmed = comment.end(), comment["trim"] is not None
            continue
        *tokens, end = _tokens(text, opening)
        yield Action(tuple(token for token in tokens if token.kind != "space"), opening.start())
        start, trimmed = end.end, "-" in end.text


def _tokens(text: str, opening: re.Match[str]) -> Iterator[Token]:
    """Yield the tokens of one pair of braces, the closing one last."""
    start = opening.end()
    while True:
        found = _TOKEN.match(text, start)
        if found is None:
            _refuse_character(text, start, opening.start())
        token = Token(_kind(found), found[0], start)
        yield token
        if token.kind == "end":
            return
        start = found.end()


def _kind(found: re.Match[str]) -> _Kind:
    return cast("_Kind", found.lastgroup)


def _refuse_character(text: str, start: int, opened: int) -> NoReturn:
    if start >= len(text):
        raise Misfit("these braces do not close", "close them with }}", offset=opened)
    if text[start] in "\"`'":
        raise Misfit(
            "this quote does not close or escapes wrongly", 'close it with " on its line', offset=start
        )
    raise Misfit(f"{text[start]!r} may not stand here", "remove it", offset=start)
