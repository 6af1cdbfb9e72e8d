"""A backtest's results as data, as a table, and as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.backtest.rehearsal import Move
from agent.desks.wire import rfc3339
from model.duration import Duration
from rules.backtest import Episode, Figures, Hindsight, Incident, Replayed

EPISODES_SHOWN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule's replay, its numbers, and what would have been done and said."""

    replayed: Replayed
    figures: Figures
    moves: tuple[Move, ...] = ()
    people: frozenset[str] = frozenset()
    tellings: int = 0
    untold: Mapping[str, int] = field(default_factory=dict)
    hindsight: Hindsight | None = None

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.replayed.rule.name

    @property
    def key(self) -> str:
        """What tells the rule from others: its name and its fixed labels."""
        texts = self.replayed.rule.labels.texts()
        inner = ", ".join(f'{name}="{text}"' for name, text in sorted(texts.items()))
        return f"{self.name}{{{inner}}}" if inner else self.name

    def did(self, what: str) -> Counter[str]:
        """Count the moves of one kind by playbook."""
        return Counter(move.playbook for move in self.moves if move.what == what)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole backtest; ``source`` says where its samples came from, ``notes`` what a reader should know.

    ``counted`` says whether people were counted.
    """

    source: str
    since_ms: int
    until_ms: int
    rules: tuple[RuleReport, ...]
    incidents: tuple[Incident, ...] = ()
    hindsight: Hindsight | None = None
    counted: bool = False
    notes: tuple[str, ...] = ()


def as_json(report: Report) -> str:
    """Return everything as JSON, with times as RFC 3339 and lengths in seconds."""
    fields: dict[str, Any] = {
        "source": report.source,
        "since": rfc3339(report.since_ms),
        "until": rfc3339(report.until_ms),
        "notes": list(report.notes),
        "rules": [_rule(rule, report) for rule in report.rules],
    }
    if report.hindsight is not None:
        fields["expected"] = _hindsight(report.hindsight)
    return json.dumps(fields, indent=2, allow_nan=False)


def table(report: Report) -> str:
    """Return a table with a line for each rule that fired, those that fired longest first, and a summary."""
    fired = [rule for rule in report.rules if rule.figures.episodes]
    fired.sort(key=lambda rule: (-rule.figures.firing_share, rule.name))
    head = ["RULE", "EPISODES", "MEDIAN", "95TH", "FLAPS", "FIRING", "PLAYBOOKS"]
    head += ["TOLD"] if report.counted else []
    head += ["PRECISION", "RECALL", "LEAD"] if report.hindsight else []
    lines = [head, *(_cells(rule, report) for rule in fired)] if fired else []
    return "\n".join([*aligned(lines), "", *summary(report)]).lstrip("\n")


def summary(report: Report) -> list[str]:
    """Return the sentences below the table."""
    fired = sum(bool(rule.figures.episodes) for rule in report.rules)
    episodes = sum(rule.figures.episodes for rule in report.rules)
    span = Duration((report.until_ms - report.since_ms) // 1000 * 1000)
    times = counted(episodes, "time")
    lines = [f"{fired} of {len(report.rules)} alerting rules fired, {times} in {span}; {report.source}."]
    if report.counted:
        people = frozenset().union(*(rule.people for rule in report.rules))
        tellings = sum(rule.tellings for rule in report.rules)
        lines.append(f"{len(people)} people would have been told of {tellings} of these.")
    if report.hindsight is not None:
        lines.append(_judgement(report.hindsight, len(report.incidents)))
    failing = [rule for rule in report.rules if rule.replayed.failed]
    lines += [f"{rule.name} failed {rule.replayed.failed} times: {rule.replayed.error}." for rule in failing]
    return lines + list(report.notes)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as text with straight columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return [line.rstrip() for line in drawn]


def length(amount_ms: int | None) -> str:
    """Return a length of time, cut to whole seconds."""
    return "" if amount_ms is None else str(Duration(abs(amount_ms) // 1000 * 1000))


def share(part: float | None) -> str:
    """Return a share in percent, never rounded to nothing or to everything."""
    if part is None:
        return ""
    if 0 < part < 0.0001:
        return "<0.01%"
    return f"{math.floor(part * 10_000) / 100:.2f}%" if part < 1 else "100%"


def lead(amount_ms: int | None) -> str:
    """Return how long before an incident an alert fired, with a plus, or after it, with a minus."""
    return "" if amount_ms is None else ("-" if amount_ms < 0 else "+") + length(amount_ms)


def deeds(rule: RuleReport) -> str:
    """Return what playbooks would have done, in a few words."""
    words = {"run": "run", "proposed": "proposed", "refused": "refused"}
    found = [
        f"{name} {word} {count}x"
        for what, word in words.items()
        for name, count in sorted(rule.did(what).items())
    ]
    return ", ".join(found) or "none"


def _cells(rule: RuleReport, report: Report) -> list[str]:
    numbers = rule.figures
    cells = [rule.key, str(numbers.episodes), length(numbers.median_ms), length(numbers.most_ms)]
    cells += [str(numbers.flaps), share(numbers.firing_share), deeds(rule)]
    cells += [f"{len(rule.people)} people, {rule.tellings}x"] if report.counted else []
    if report.hindsight is not None:
        seen = rule.hindsight
        assert seen is not None, "each rule was compared with the incidents"
        cells += [share(seen.precision), share(seen.recall), lead(seen.lead_ms)]
    return cells


def _judgement(hindsight: Hindsight, count: int) -> str:
    found = count - len(hindsight.missed)
    text = f"{found} of {counted(count, 'incident')} found (recall {share(hindsight.recall)})"
    text += f"; precision {share(hindsight.precision) or 'unknown without an episode'}"
    if hindsight.lead_ms is not None:
        side = "before it began" if hindsight.lead_ms >= 0 else "after it began"
        text += f"; the first alert of an incident fired {length(hindsight.lead_ms)} {side}, by the median"
    return f"{text}."


def counted(count: int, word: str) -> str:
    """Return a count with its word in the singular or the plural."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _rule(rule: RuleReport, report: Report) -> dict[str, Any]:
    replayed, numbers = rule.replayed, rule.figures
    fields: dict[str, Any] = {
        "alert": rule.name,
        "labels": replayed.rule.labels.texts(),
        "group": replayed.group.name,
        "file": replayed.file,
        "episodes": numbers.episodes,
        "median_s": _seconds(numbers.median_ms),
        "p95_s": _seconds(numbers.most_ms),
        "flaps": numbers.flaps,
        "flaps_per_day": round(numbers.flaps_per_day, 3),
        "firing_share": numbers.firing_share,
        "pending_only": replayed.near,
        "playbooks": {what: dict(rule.did(what)) for what in ("run", "proposed", "refused")},
        "failures": replayed.failed,
        "error": replayed.error,
        "dropped": replayed.dropped,
        "each": [_episode(one, rule) for one in replayed.episodes[:EPISODES_SHOWN_MAX]],
    }
    if report.counted:
        fields |= {"people": len(rule.people), "tellings": rule.tellings, "untold": dict(rule.untold)}
    if rule.hindsight is not None:
        fields["expected"] = _hindsight(rule.hindsight)
    return fields


def _episode(episode: Episode, rule: RuleReport) -> dict[str, Any]:
    move = next((move for move in rule.moves if move.episode is episode), None)
    return {
        "labels": dict(episode.labels.pairs),
        "active": rfc3339(episode.active_ms),
        "fired": rfc3339(episode.fired_ms),
        "ended": None if episode.ended_ms is None else rfc3339(episode.ended_ms),
        "remedy": None
        if move is None
        else {"what": move.what, "playbook": move.playbook, "reason": move.reason},
    }


def _hindsight(hindsight: Hindsight) -> dict[str, Any]:
    return {
        "precision": hindsight.precision,
        "recall": hindsight.recall,
        "lead_s": _seconds(hindsight.lead_ms),
        "missed": [
            {"start": rfc3339(one.start_ms), "end": rfc3339(one.end_ms), "alerts": str(one.alerts or "")}
            for one in hindsight.missed
        ],
    }


def _seconds(amount_ms: int | None) -> float | None:
    return None if amount_ms is None else amount_ms / 1000
