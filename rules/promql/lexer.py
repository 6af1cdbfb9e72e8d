"""From the text of an expression to its tokens, each with its place."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from model.misfit import Misfit

TEXT_CHARACTERS_MAX: Final = 65_536

TokenKind = Literal["number", "duration", "string", "word", "operator", "end"]


class Token(NamedTuple):
    """One word of the language; ``at`` counts characters from the start of the expression."""

    kind: TokenKind
    text: str
    at: int


_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]+")
_DURATION: Final = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+(?![a-zA-Z0-9_.])")
_NUMBER: Final = re.compile(r"(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_WORD_IN_BRACKETS: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPERATOR: Final = re.compile(r"=~|!~|==|!=|<=|>=|[-+*/%^<>=(){}\[\],:@]")
_QUOTE: Final = re.compile(r"[\"'`]")

_ESCAPE: Final = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|(?P<one>[abfnrtv\\'\"]))"
)
_ONE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def tokens(text: str) -> list[Token]:
    """Return every token and a last one of kind ``end``; raise ``Misfit`` at the first that is none."""
    if len(text) > TEXT_CHARACTERS_MAX:
        cure = f"keep it within {TEXT_CHARACTERS_MAX} characters"
        raise Misfit("the expression is too long", cure, offset=TEXT_CHARACTERS_MAX)
    found: list[Token] = []
    brackets = 0
    at = _after_space(text, 0)
    while at < len(text):
        token, end = _token(text, at, in_brackets=brackets > 0)
        brackets += (token.text == "[") - (token.text == "]") if token.kind == "operator" else 0
        found.append(token)
        at = _after_space(text, end)
    found.append(Token("end", "", len(text)))
    return found


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None, "the pattern matches the empty text"
    return space.end()


def _token(text: str, at: int, *, in_brackets: bool) -> tuple[Token, int]:
    """Read the token that starts here; return it with the offset after it."""
    if _QUOTE.match(text, at):
        return _string(text, at)
    kinds: tuple[tuple[TokenKind, re.Pattern[str]], ...] = (
        ("number", _HEX),
        ("duration", _DURATION),
        ("number", _NUMBER),
        # Inside brackets a colon stands between range and step; elsewhere it may start a metric name.
        ("word", _WORD_IN_BRACKETS if in_brackets else _WORD),
        ("operator", _OPERATOR),
    )
    for kind, pattern in kinds:
        match = pattern.match(text, at)
        if match is None:
            continue
        if kind == "number" and re.match(r"[a-zA-Z0-9_.]", text[match.end() : match.end() + 1]):
            wrong = re.match(r"[a-zA-Z0-9_.]+", text[at:])
            assert wrong is not None, "the number is part of it"
            raise Misfit(
                f"{wrong[0][:40]!r} is neither a number nor a duration", "write 1.5 or 5m", offset=at
            )
        return Token(kind, match[0], at), match.end()
    if text[at] == "!":
        raise Misfit("'!' stands alone here", "write != or !~", offset=at)
    raise Misfit(f"the character {text[at]!r} has no meaning here", "remove it, or quote it", offset=at)


def _string(text: str, at: int) -> tuple[Token, int]:
    """Read a quoted string as Go writes it; the token's text is what it stands for."""
    quote = text[at]
    end = at + 1
    while end < len(text) and text[end] != quote and (text[end] != "\n" or quote == "`"):
        end += 2 if text[end] == "\\" and quote != "`" else 1
    if text[end : end + 1] != quote:
        raise Misfit("the quoted string does not end", f"close it with {quote}", offset=at)
    inner = text[at + 1 : end]
    return Token("string", inner if quote == "`" else _unescaped(inner, at + 1), at), end + 1


def _unescaped(inner: str, start: int) -> str:
    """Replace Go's escapes; those of single bytes must make UTF-8 together."""
    if "\\" not in inner:
        return inner
    data = bytearray()
    at = 0
    while at < len(inner):
        if inner[at] != "\\":
            data += inner[at].encode(errors="surrogatepass")
            at += 1
            continue
        escape = _ESCAPE.match(inner, at)
        if escape is None:
            raise Misfit(
                f"the escape {inner[at : at + 2]!r} is not known",
                "write \\\\ for a backslash",
                offset=start + at,
            )
        data += _escape_bytes(escape, start + at)
        at = escape.end()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misfit("the string is not UTF-8", "write characters, not bytes", offset=start) from None


def _escape_bytes(escape: re.Match[str], at: int) -> bytes:
    if one := escape["one"]:
        return _ONE.get(one, one).encode()
    digits = escape["hex"] or escape["short"] or escape["long"]
    code = int(digits, 16) if digits else int(escape["octal"], 8)
    if escape["octal"] or escape["hex"]:
        if code > 255:
            raise Misfit(f"the escape {escape[0]} is more than one byte", "write at most \\377", offset=at)
        return bytes((code,))
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise Misfit(f"the escape {escape[0]} is no character", "write another code point", offset=at)
    return chr(code).encode()
