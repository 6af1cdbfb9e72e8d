"""The table of what the checks cost, and how many times as much the others take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.checks.cost import Figures, Kind

EVERY_S: Final = 10
_NAME_WIDTH: Final = 32
_WIDTH: Final = 26


@dataclass(slots=True)
class Costs:
    """What one system took, by kind and number of checks; ``flood`` is when it was to do all it can."""

    name: str
    steady: dict[tuple[Kind, int], Figures] = field(default_factory=dict)
    flood: dict[Kind, Figures] = field(default_factory=dict)


def table(all_costs: Sequence[Costs], machine: str) -> str:
    """Return everything as text; the first of the systems is what the others are compared with."""
    ours = all_costs[0]
    rows: list[str] = []
    for kind in ("http", "tcp"):
        sizes = sorted({size for costs in all_costs for known, size in costs.steady if known == kind})
        if not sizes:
            continue
        heads = [f"{size} every {EVERY_S} s" for size in sizes]
        rows += [
            "",
            f"{kind.upper()} checks: CPU ms for each, PSS in MB (times ours)",
            _row("", *heads, "most a second"),
        ]
        for costs in all_costs:
            steady = [
                _steady(costs.steady.get((kind, size)), ours.steady.get((kind, size))) for size in sizes
            ]
            rows.append(_row(costs.name, *steady, _most(costs.flood.get(kind), ours.flood.get(kind))))
    return "\n".join([*rows, "", machine])


def _steady(figures: Figures | None, ours: Figures | None) -> str:
    if figures is None:
        return "not measured"
    times = _times(figures.cpu_ms, ours.cpu_ms if ours else None)
    text = f"{figures.cpu_ms:.3f} ms{times}, {figures.pss_mb:.0f} MB"
    return text if figures.kept_up else f"{text}, {figures.per_second:.0f}/s"


def _most(figures: Figures | None, ours: Figures | None) -> str:
    if figures is None:
        return "not measured"
    times = _times(figures.per_second, ours.per_second if ours else None)
    return f"{'at least ' if figures.kept_up else ''}{figures.per_second:.0f}{times}"


def _times(theirs: float, ours: float | None) -> str:
    return f" ({theirs / ours:.2f})" if ours and theirs != ours else ""


def _row(name: str, *cells: str) -> str:
    return f"  {name:{_NAME_WIDTH}}" + "".join(f"{cell:{_WIDTH}}" for cell in cells).rstrip()
