"""The results of one run, and the table that it prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bench.rest import Cost
from bench.round import STAGES, Round, length, spreads

_WIDTHS: Final = (10, 32, 32, 32, 18, 18)


@dataclass(slots=True)
class Results:
    """Everything that one run measured."""

    machine: str
    versions: dict[str, str]
    ours: list[Round]
    monit_fastest: list[Round]
    monit_default: list[Round] = field(default_factory=list)
    rest: dict[str, Cost] = field(default_factory=dict)


def inline(one: Round) -> str:
    """Return one round as text."""
    return (
        f"noticed {length(one.noticed)}, healed {length(one.healed)}, told {length(one.told)} after the kill"
    )


def table(results: Results) -> str:
    """Return everything as text: medians, least and most, and how many times Monit takes."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    rows = [
        "",
        "After kill -9 of redis: median (least - most)",
        _row("", "Beforehand", "Monit, cycle 1 s", "Monit, its default 120 s", "1 s : ours", "120 s : ours"),
    ]
    mine = spreads(results.ours)
    fastest = spreads(results.monit_fastest)
    default = spreads(results.monit_default) if results.monit_default else None
    rows += [
        _row(
            stage,
            str(mine[stage]),
            str(fastest[stage]),
            str(default[stage]) if default else "left out",
            _times(fastest[stage].median, mine[stage].median),
            _times(default[stage].median, mine[stage].median) if default else "",
        )
        for stage in STAGES
    ]
    counts = f"{len(results.ours)} + {len(results.monit_fastest)} + {len(results.monit_default)} rounds"
    rows += [f"{counts}; told: a customer by Beforehand, an operator by Monit", "", "At rest"]
    for name, cost in results.rest.items():
        rows.append(
            f"  {name:34} {cost.rss_mb:5.1f} MB RSS, {cost.pss_mb:5.1f} MB PSS, "
            f"{cost.cpu_s_per_minute:.2f} s CPU per minute"
        )
    return "\n".join([*rows, "", results.machine, versions])


def _row(*cells: str) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _times(theirs: float, mine: float) -> str:
    return f"{theirs / mine:.1f} : 1" if mine > 0 else "-"
