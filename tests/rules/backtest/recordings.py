"""Recordings to replay in tests: series written as lists of values, a step apart."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from model.labels import NAME, Labels
from rules.backtest import Page, Replay, Replayed, Sheet, Span, run
from rules.file import RuleFile, load_rules

START_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
STEP_MS = 15_000
TARGET = Labels.of(job="node", instance="web1")


def series(name: str, /, **labels: str) -> Labels:
    return TARGET.having({NAME: name, **labels})


def rules(text: str, name: str = "rules.yml") -> RuleFile:
    lines = "\n".join("  " + line for line in text.strip("\n").splitlines())
    return load_rules(f"groups:\n- name: g\n  interval: 15s\n  rules:\n{lines}\n".encode(), name)


def sheet(columns: Mapping[Labels, Sequence[float]], key: Labels = TARGET, first: int = 0) -> Sheet:
    """Return rows a step apart, the first one so many steps after the start."""
    count = len(next(iter(columns.values())))
    times = array("q", (START_MS + (first + index) * STEP_MS for index in range(count)))
    return Sheet(key, times, {labels: array("d", values) for labels, values in columns.items()})


def pages(*sheets: Sheet, rows: int = 64) -> list[Page]:
    """Return pages of so many rows each, as a log would give them."""
    found: dict[int, list[Sheet]] = {}
    for one in sheets:
        for low in range(0, len(one.times), rows):
            part = slice(low, low + rows)
            columns = {labels: values[part] for labels, values in one.columns.items()}
            cut = Sheet(one.key, one.times[part], columns)
            found.setdefault(cut.times[-1], []).append(cut)
    return [Page(until_ms, tuple(found[until_ms])) for until_ms in sorted(found)]


def replayed(
    file: RuleFile, recording: Sequence[Page], *, thorough: bool = False, since: int = 0
) -> tuple[Replayed, ...]:
    """Replay a recording from so many steps after the start to its end."""
    replay = Replay([file], STEP_MS, thorough=thorough)
    span = Span(START_MS + since * STEP_MS, START_MS + 10_000 * STEP_MS)
    run([replay], recording, span, lambda _: None)
    return replay.results()


def shapes(results: Sequence[Replayed]) -> list[tuple[str, list[tuple[Labels, int, int, float]]]]:
    """Return every episode by its rule, in steps since the start."""
    return [
        (
            one.rule.name,
            [
                (
                    each.labels,
                    each.active_ms - START_MS,
                    each.fired_ms - START_MS,
                    math.inf if each.ended_ms is None else each.ended_ms - START_MS,
                )
                for each in one.episodes
            ],
        )
        for one in results
    ]
