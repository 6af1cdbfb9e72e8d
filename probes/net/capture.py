"""What one step of a flow takes from an answer, and how a later step says it again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from model.misfit import Misfit
from probes.net.address import Url
from probes.net.connect import Unhealthy
from probes.net.response import Head
from probes.pattern import Pattern

CAPTURED_CHARS_MAX: Final = 4096
PATH_STEPS_MAX: Final = 32

_REFERENCE: Final = re.compile(r"\$\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_PART: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,6})\]|\[\"([^\"]*)\"\]|\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A way into a JSON document (RFC 9535) of names and numbers only: ``$.items[0]["id"]``."""

    text: str
    parts: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read the path."""
        parts: list[str | int] = []
        at = 1
        while found := _PART.match(text, at):
            name, number, double, single = found.groups()
            parts.append(int(number) if number else name or double or single or "")
            at = found.end()
        if not text.startswith("$") or at != len(text) or len(parts) > PATH_STEPS_MAX:
            raise Misfit(f"{text[:80]!r} is not a path into JSON", 'write it like $.items[0].id or $["a b"]')
        return cls(text, tuple(parts))

    def find(self, document: object) -> object:
        """Return what stands there, or None."""
        for part in self.parts:
            if isinstance(document, dict) and isinstance(part, str):
                document = document.get(part)
            elif isinstance(document, list) and isinstance(part, int) and part < len(document):
                document = document[part]
            else:
                return None
        return document

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Capture:
    """Where a value stands in an answer: a path into its JSON, a header, or an expression's first group."""

    json: JsonPath | None = None
    header: str = ""
    regexp: Pattern | None = None

    def __post_init__(self) -> None:
        if sum(map(bool, (self.json, self.header, self.regexp))) != 1:
            raise Misfit("a capture has one place", "give one of json, header and regexp")

    def taken(self, name: str, head: Head, body: bytes) -> str:
        """Return the value, or raise ``Unhealthy``."""
        value = self._json(name, body) if self.json else self._text(head, body)
        if not value or len(value) > CAPTURED_CHARS_MAX:
            raise Unhealthy(f"the answer has nothing for {name}, or too much")
        return value

    def _text(self, head: Head, body: bytes) -> str:
        if self.header:
            return head.get(self.header.lower())
        match = self.regexp.search(body) if self.regexp else None
        return match[min(1, match.regex.groups)] if match else ""

    def _json(self, name: str, body: bytes) -> str:
        assert self.json is not None, "asked for only then"
        try:
            value = self.json.find(json.loads(body))
        except (ValueError, RecursionError):
            raise Unhealthy(f"the answer is not JSON, so there is nothing for {name}") from None
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else ""


def names_in(text: str) -> frozenset[str]:
    """Return the names that a text refers to."""
    return frozenset(_REFERENCE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each reference replaced."""
    return _REFERENCE.sub(lambda found: values[found[1]], text)


def filled_body(text: str, values: Mapping[str, str], kind: str) -> str:
    """Return a body with each reference replaced, escaped as its content type needs it."""
    kind = kind.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return filled(text, {name: json.dumps(value)[1:-1] for name, value in values.items()})
    if kind == "application/x-www-form-urlencoded":
        return filled(text, {name: quote_plus(value) for name, value in values.items()})
    return filled(text, values)


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """An http or https URL that may refer to captured values in its path and query, never before them."""

    text: str
    bare: Url  # without the values

    @classmethod
    def parse(cls, text: str) -> UrlTemplate:
        """Read the URL."""
        if names_in("/".join(text.split("/", 3)[:3]).partition("?")[0]):
            raise Misfit("a captured value cannot choose the host", "refer to it in the path or the query")
        return cls(text, Url.parse(_REFERENCE.sub("", text)))

    def url(self, values: Mapping[str, str]) -> Url:
        """Return the URL with the values in it; none of them can lead to another host or out of its place."""
        url = Url.parse(filled(self.text, {name: quote(value, safe="") for name, value in values.items()}))
        assert url.same_origin(self.bare), "values stand behind the host, and are quoted"
        return url

    def __str__(self) -> str:
        return self.text
