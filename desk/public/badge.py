"""A badge: how one service, or all of it, stands, as a small picture for other pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Final

from desk.page.view import PageView
from desk.state import ServiceState, worst

SVG: Final = "image/svg+xml; charset=utf-8"
LABEL_CHARACTERS_MAX: Final = 60

_PADDING: Final = 8
_HEIGHT: Final = 20
# Verdana at 11 pixels, by width; what is not listed is as wide as most letters.
_NARROW: Final = frozenset("ijlI.,:;'|!()[] fr t")
_WIDE: Final = frozenset("mwMWGOQ@%")
_COLOURS: Final = {
    ServiceState.OPERATIONAL: "#1a7f37",
    ServiceState.MAINTENANCE: "#0a5fb4",
    ServiceState.UNKNOWN: "#57606a",
    ServiceState.DEGRADED: "#7d5a00",
    ServiceState.PARTIAL: "#b04300",
    ServiceState.MAJOR: "#c0182b",
}
_WORDS: Final = {
    ServiceState.OPERATIONAL: "operational",
    ServiceState.MAINTENANCE: "planned work",
    ServiceState.UNKNOWN: "unknown",
    ServiceState.DEGRADED: "degraded",
    ServiceState.PARTIAL: "partly down",
    ServiceState.MAJOR: "down",
}


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says: whose, and how it stands; a copy says at what time."""

    label: str
    state: ServiceState
    at: str = ""

    @property
    def word(self) -> str:
        """The state in a word."""
        return f"{_WORDS[self.state]} at {self.at}" if self.at else _WORDS[self.state]


def badge_of(page: PageView, service: str | None, label: str = "", at: str = "") -> Badge | None:
    """Return the badge of one service, or of the page; None where there is no such service."""
    if service is None:
        return Badge(_short(label or page.name), worst(one.state for one in page.services), at)
    found = next((one for one in page.services if one.service == service), None)
    return Badge(_short(label or found.name), found.state, at) if found else None


def shield(badge: Badge) -> dict[str, Any]:
    """Return the badge in the form of shields.io's endpoint, version 1."""
    colour = _COLOURS[badge.state].removeprefix("#")
    return {"schemaVersion": 1, "label": badge.label, "message": badge.word, "color": colour}


def drawn(badge: Badge) -> str:
    """Return the badge as SVG, with its sentence as the title for those who cannot see it."""
    word, label = badge.word, badge.label
    left, right = _width(label) + 2 * _PADDING, _width(word) + 2 * _PADDING
    sentence, colour = escape(f"{label}: {word}"), _COLOURS[badge.state]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img"'
        f' aria-label="{sentence}"><title>{sentence}</title>'
        f'<rect width="{left}" height="{_HEIGHT}" fill="#3d444d"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{_PADDING}" y="14" textLength="{left - 2 * _PADDING}">{escape(label)}</text>'
        f'<text x="{left + _PADDING}" y="14" textLength="{right - 2 * _PADDING}">{escape(word)}</text>'
        "</g></svg>\n"
    )


def _short(label: str) -> str:
    return "".join(one for one in label if one.isprintable())[:LABEL_CHARACTERS_MAX]


def _width(text: str) -> int:
    return sum(4 if one in _NARROW else 10 if one in _WIDE else 7 for one in text)
