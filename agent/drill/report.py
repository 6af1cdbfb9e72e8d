"""What a drill prints: the links against their objective, and what that proves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.checking.plan import printable
from agent.drill.installed import Standing
from agent.drill.objective import Link, Times


@dataclass(frozen=True, slots=True)
class Report:
    """One drill that took place; ``trouble`` is why nothing was healed, where that is so."""

    drill: str
    fault: str
    what: str
    times: Times
    links: tuple[Link, ...]
    trouble: str = ""

    @property
    def met(self) -> bool:
        """Whether every link came in time."""
        return all(link.met for link in self.links)

    def fact(self) -> dict[str, object]:
        """Return it as data; times in ms after the fault."""
        return {
            "drill": self.drill,
            "fault": self.fault,
            "what": self.what,
            "fault_ms": self.times.fault_ms,
            "met": self.met,
            "trouble": self.trouble,
            "links": {
                link.word: {"after_ms": link.after_ms, "within_ms": link.within.ms, "met": link.met}
                for link in self.links
            },
            "proved_after_ms": self.times.after_ms(self.times.proved_ms),
        }


def lines(report: Report) -> Iterator[str]:
    """Yield one drill as text."""
    yield f"[DRILL] {report.drill} {report.fault}: {report.what}"
    rows = [("", "seconds", "within", "")]
    rows += [
        (link.word, _seconds(link.after_ms), str(link.within), "met" if link.met else "NOT MET")
        for link in report.links
    ]
    rows.append(("proved", _seconds(report.times.after_ms(report.times.proved_ms)), "", "held for 2s"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield (
            "  "
            + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
        )
    yield from _trouble(report)


def _trouble(report: Report) -> Iterator[str]:
    if report.trouble:
        yield f"  {printable(report.trouble)}"


def proof(reports: Iterable[Report], standing: Standing) -> Iterator[str]:
    """Yield what all of it proves and what it leaves open."""
    good = [report.fault for report in reports if report.met]
    if good:
        yield f"proved      on this host: see, judge, heal, verify and tell ({', '.join(good)})"
    for sentence in standing.proved:
        yield f"proved      {sentence}"
    for sentence in standing.open:
        yield f"not proved  {sentence}"


def _seconds(after_ms: int | None) -> str:
    return "never" if after_ms is None else f"{after_ms / 1000:.3f}"
