"""Spans of time."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """Every moment from the first to the last, both included, in ms since 1970 in UTC."""

    first_ms: int
    last_ms: int

    def earlier(self, by_ms: int) -> Span:
        """Return the same length of time, so much earlier."""
        return Span(self.first_ms - by_ms, self.last_ms - by_ms)

    def since(self, before_ms: int) -> Span:
        """Return the span with so much time before it."""
        return Span(self.first_ms - before_ms, self.last_ms)
