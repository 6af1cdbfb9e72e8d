"""What a run had done, by the journal: what is to be undone, and what nobody can undo any more; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from model.outcome import Outcome
from model.plugin import Unplannable
from model.step import Host, Step
from remediations.running import run as runs
from remediations.running.journal import StepRecord
from remediations.running.run import Carried, Run
from remediations.running.trace import FOR_GOOD, HIDDEN, NOTHING, UNKNOWN, Back, backs, is_of_undo, undo_of
from remediations.writing.playbook import Otherwise, Playbook

UNKNOWN_END: Final = "what came of it is not known"


def carried_before(
    records: Sequence[StepRecord], playbook: Playbook | None, host: Host, now_ms: int
) -> Carried:
    """Return what a run had done by the steps in the journal; what it began is undone last begun first.

    Of an undo that was cut short the rest is left. What it had begun is not begun anew.
    """
    begun = [one for one in records if one.trace != NOTHING and not is_of_undo(one.trace)]
    known = _known(playbook, host)
    first: dict[str, StepRecord] = {}
    for record in begun:
        first.setdefault(f"{UNKNOWN}{record.number}" if record.trace == UNKNOWN else record.trace, record)
    over = {one.trace: one for one in records if is_of_undo(one.trace)}
    undo: list[Back] = []
    lost: list[str] = []
    for traced, record in reversed(first.items()):
        if traced in known:
            undo += backs(traced, known[traced], hide=record.step == HIDDEN)
        elif traced != FOR_GOOD:
            lost.append(record.step)
    lost += [told for told in map(_in_vain, over.values()) if told]
    return Carried(
        now_ms,
        acted_ms=begun[0].began_ms if begun else 0,
        steps=max((one.number for one in records), default=0),
        undo=tuple(one for one in undo if one.trace not in over),
        lost=tuple(lost),
    )


def taken_up(run: Run, records: Sequence[StepRecord], what: Carried, now_ms: int, *, gone: bool) -> Run:
    """Return an unfinished run as it goes on after a restart; without its playbook nothing is proved."""
    open_ends = [one.step for one in records if one.result is None and one.trace != NOTHING]
    doubt = f"; {open_ends[-1]}: {UNKNOWN_END}" if open_ends else ""
    if gone and what.acted_ms:
        reason = f"{runs.RESTARTED}; its playbook is gone{doubt}"
        return runs.closed(run, Otherwise.ESCALATE, Outcome.FAILED, reason, now_ms)
    after = runs.recovered(run, what, now_ms)
    return replace(after, reason=f"{after.reason}{doubt}"[: runs.REASON_CHARACTERS_MAX])


def _known(playbook: Playbook | None, host: Host) -> Mapping[str, tuple[Step, ...]]:
    """Return what can be undone; a playbook that is gone, or cannot be planned any more, undoes nothing."""
    try:
        return undo_of(playbook, host) if playbook is not None else {}
    except Unplannable:
        return {}


def _in_vain(record: StepRecord) -> str:
    """Return in words which step of an undo is not known to have succeeded."""
    if record.result is None:
        return f"{record.step} ({UNKNOWN_END})"
    return "" if record.result.ok else f"{record.step} ({record.result.reason})"
