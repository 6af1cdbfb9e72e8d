"""The table: a row for each fault, and what it comes to for each keeper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.faults.kinds import Kind
from bench.faults.trial import Trial


def cell(kind: Kind, trials: Sequence[Trial]) -> str:
    """Return what a keeper made of one fault, over its rounds."""
    if not trials:
        return "not run"
    times = [trial.healed_s for trial in trials if trial.healed_s is not None]
    actions = statistics.fmean([trial.actions for trial in trials])
    needless = statistics.fmean([trial.needless for trial in trials])
    harmful = statistics.fmean([trial.harmful for trial in trials])
    if kind.healed is None:
        result = "left alone" if not needless else "acted"
    elif len(times) == len(trials):
        result = f"{statistics.median(times):.2f} s"
    else:
        result = f"healed {len(times)} of {len(trials)}" if times else "not healed"
    told = [
        f"{count:g} {word}"
        for count, word in ((needless - harmful, "needless"), (harmful, "harmful"))
        if count
    ]
    return f"{result}; {actions:g} done" + (f", {', '.join(told)}" if told else "")


def table(kinds: Sequence[Kind], keepers: Sequence[str], trials: Sequence[Trial]) -> str:
    """Return everything as text."""
    rows = [("fault", *keepers)]
    for kind in kinds:
        by_keeper = (
            [trial for trial in trials if (trial.kind, trial.keeper) == (kind.name, keeper)]
            for keeper in keepers
        )
        rows.append((kind.name, *(cell(kind, each) for each in by_keeper)))
    rows.append(
        ("in all", *(whole(kinds, [trial for trial in trials if trial.keeper == one]) for one in keepers))
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def whole(kinds: Sequence[Kind], trials: Sequence[Trial]) -> str:
    """Return how many of the faults a keeper handled right, and what else it did in a round."""
    by_name = {kind.name: kind for kind in kinds}
    right = sum(
        all(
            (by_name[name].healed is None or trial.healed_s is not None) and not trial.needless
            for trial in each
        )
        for name in by_name
        if (each := [trial for trial in trials if trial.kind == name])
    )
    rounds = max((sum(trial.kind == name for trial in trials) for name in by_name), default=0) or 1
    needless = sum(trial.needless - trial.harmful for trial in trials) / rounds
    harmful = sum(trial.harmful for trial in trials) / rounds
    return f"{right} of {len(kinds)} right; {needless:g} needless, {harmful:g} harmful"
