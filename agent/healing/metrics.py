"""The agent's metrics about its remediations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from model.sample import Metric, Sample
from remediations.breaker import State
from remediations.healer import Healer
from remediations.running.journal import JournalLost
from remediations.writing.playbook import Mode, Playbook

RUNS: Final = Metric(
    "beforehand_remediation_runs_total",
    "Runs that ended, by how; a cure that did not last counts as fixed and as recurred.",
    "counter",
    ("playbook", "outcome"),
)
REFUSED: Final = Metric(
    "beforehand_remediation_refused_total",
    "How often a guard kept a playbook from acting, once for each alert until another guard does.",
    "counter",
    ("playbook", "guard"),
)
BREAKER: Final = Metric(
    "beforehand_remediation_breaker",
    "1 for the state of a playbook's breaker: closed, open, or half-open.",
    labels=("playbook", "state"),
)
HELD: Final = Metric(
    "beforehand_remediation_held",
    "1 while somebody holds this playbook back, with an empty name all of them.",
    labels=("playbook",),
)

MODE: Final = Metric(
    "beforehand_remediation_mode",
    "1 for the mode of a playbook that is in force: observe, propose, approve, or auto.",
    labels=("playbook", "mode"),
)
PROPOSALS: Final = Metric(
    "beforehand_remediation_proposals_total",
    "What became of what a playbook would have done: clean, needless, blocked, or overtaken.",
    "counter",
    ("playbook", "kind"),
)
PROMOTABLE: Final = Metric(
    "beforehand_remediation_promotion_suggested",
    "1 where a playbook has shown enough for the next mode.",
    labels=("playbook",),
)

ALL: Final = (RUNS, REFUSED, BREAKER, HELD, MODE, PROPOSALS, PROMOTABLE)


def samples(healer: Healer, holds: Mapping[str, str], now_ms: int) -> Iterator[Sample]:
    """Yield what there is to say of remediations; without its journal nothing is said of what they showed."""
    for (playbook, outcome), count in healer.tally.runs.items():
        yield RUNS(count, playbook=playbook, outcome=outcome)
    for (playbook, guard), count in healer.tally.refusals.items():
        yield REFUSED(count, playbook=playbook, guard=guard)
    for (playbook, kind), count in healer.tally.proposals.items():
        yield PROPOSALS(count, playbook=playbook, kind=kind)
    for playbook in holds:
        yield HELD(1, playbook=playbook)
    yield from _modes(healer.rungs.playbooks)
    try:
        breakers = healer.breakers(now_ms)
        rungs = healer.rungs.counted(now_ms)
    except JournalLost:
        return
    for playbook, found in breakers.items():
        for state in State:
            yield BREAKER(state is found, playbook=playbook, state=state.value)
    for playbook, rung in rungs.items():
        yield PROMOTABLE(rung.suggestion.mode is not None, playbook=playbook)


def _modes(playbooks: Iterable[Playbook]) -> Iterator[Sample]:
    """Yield the mode in force of each of these."""
    for one in playbooks:
        for mode in Mode:
            yield MODE(one.mode is mode, playbook=one.playbook, mode=mode.value)
