"""Which Prometheus an expression is written for: the few points where versions and switches differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Compat = Literal["prometheus3", "prometheus2"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """Prometheus 3, or with ``prometheus2`` the meaning that 2.x gave to the same text.

    ``experimental`` is what Prometheus has behind its switches: experimental functions, computed durations,
    and names that are dropped only at the end.
    """

    compat: Compat = "prometheus3"
    experimental: bool = False

    @property
    def edge_ms(self) -> int:
        """How much further back a range reaches: 2.x takes the sample at its very start as well."""
        return 1 if self.compat == "prometheus2" else 0


PROMETHEUS: Dialect = Dialect()
