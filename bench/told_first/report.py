"""The figures of the simulated episodes as tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from bench.told_first import recount
from bench.told_first.episode import KINDS
from bench.told_first.simulation import Happened
from desk.ledger.share import Share, Spread
from desk.ledger.story import Told

HEADS = (
    "impact",
    "episodes",
    "people told first",
    "incidents told first",
    "healed in silence",
    "onset to notice, p50 / p90",
    "ahead of the first report, p50",
    "if a human wrote, after 10 min",
)


def table(found: Happened) -> str:
    """Return one line per impact, and one for all."""
    body = (f"| {' | '.join(row(found, impact))} |" for impact in (*(one.impact for one in KINDS), ""))
    return "\n".join([f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}", *body])


def row(found: Happened, impact: str) -> tuple[str, ...]:
    """Return the figures of one impact, or of all of them."""
    figures = found.figures(impact)
    total = figures.inform["total"]
    return (
        impact or "**all**",
        str(sum(figures.told.values())),
        str(figures.proactive_people),
        str(figures.proactive_incidents),
        str(figures.told[Told.SILENT]),
        f"{_seconds(total.p50_ms)} / {_seconds(total.p90_ms)}",
        _lead(figures.lead),
        _percent(recount.if_humans_wrote(found, impact)),
    )


def rows(found: Happened) -> Iterator[str]:
    """Yield what becomes of the share when people report faster than assumed."""
    for faster in (1, 2, 4):
        said = ", ".join(
            f"{one.impact} {_percent(recount.told_first(found, one.impact, faster))}" for one in KINDS
        )
        yield f"People told first if all report {faster} times as fast: {said}"


def _lead(lead: Spread) -> str:
    return f"{_seconds(lead.p50_ms)} ({lead.n} incidents)"


def _seconds(length_ms: int | None) -> str:
    return "no data" if length_ms is None else f"{length_ms / 1000:.1f} s"


def _percent(share: Share) -> str:
    return "no data" if share.value is None else f"{100 * share.value:.1f} %"
