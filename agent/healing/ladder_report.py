"""Where playbooks stand on the ladder, as programs and people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import remediations.playbooks
from agent import files
from agent.desks.wire import rfc3339
from model.duration import Duration
from model.misfit import Place
from model.yaml_tree import FILE_BYTES_MAX, Mapping, read_tree
from remediations.attempt import Attempt
from remediations.ladder.ladder import Rung
from remediations.ladder.proposal import Kind, Proposal
from remediations.writing.playbook import Mode

EVIDENCE_TOLD_MAX: Final = 100
LABELS_SHOWN_MAX: Final = 6


def told(rungs: Iterable[Rung]) -> dict[str, Any]:
    """Return, for JSON, where each playbook stands, with its newest evidence."""
    return {"playbooks": [_rung(one) for one in rungs]}


def _rung(one: Rung) -> dict[str, Any]:
    evidence, demotion = one.evidence, one.demotion
    return {
        "playbook": one.playbook,
        "mode": one.written.value,
        "mode_in_force": one.in_force.value,
        "since": rfc3339(evidence.since_ms),
        "counts": {kind.value: evidence.count(kind) for kind in Kind},
        "suggested": one.suggestion.mode.value if one.suggestion.mode else None,
        "reason": one.suggestion.reason,
        "demoted": {"at": rfc3339(demotion.at_ms), "run": demotion.run, "reason": demotion.reason}
        if demotion
        else None,
        "proposals": [_proposal(each) for each in evidence.proposals[-EVIDENCE_TOLD_MAX:]],
        "runs": [_run(each) for each in evidence.runs[-EVIDENCE_TOLD_MAX:]],
    }


def _proposal(one: Proposal) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "labels": dict(one.labels.pairs),
        "met": rfc3339(one.met_ms),
        "would": rfc3339(one.would_ms) if one.would_ms else None,
        "ended": rfc3339(one.ended_ms) if one.ended_ms else None,
        "lasted_ms": one.lasted_ms,
        "within_ms": one.within_ms,
        "guard": one.guard,
        "reason": one.reason,
        "steps": list(one.steps),
    }


def _run(one: Attempt) -> dict[str, Any]:
    return {"started": rfc3339(one.started_ms), "outcome": one.outcome.value if one.outcome else None}


def lines(one: Rung, place: Place, shown_max: int) -> Iterator[str]:
    """Yield what people read of one playbook that ``place`` defines: its rung, its evidence, what follows."""
    held = "" if one.in_force is one.written else f", in force is {one.in_force}"
    yield f"{one.playbook}: mode {one.written}{held}"
    yield from _table(one, shown_max)
    if one.demotion is not None:
        yield f"  {one.suggestion.reason} (run {one.demotion.run}, {_moment(one.demotion.at_ms)})"
        yield f"  to lift that: beforehand reinstate {one.playbook} --because TEXT"
    else:
        yield f"  {one.suggestion.reason}"
    if one.suggestion.mode is not None:
        yield f"  {edit(place, one.suggestion.mode)}"


def _table(one: Rung, shown_max: int) -> Iterator[str]:
    evidence = one.evidence
    rows = [*map(_proposal_row, evidence.proposals), *map(_run_row, evidence.runs)]
    if not rows:
        return
    counts = [f"{evidence.count(kind)} {kind}" for kind in Kind if evidence.count(kind)]
    counts += [f"{len(evidence.runs)} runs"] if evidence.runs else []
    yield f"  since {_moment(evidence.since_ms)}: {', '.join(counts)}"
    for _, row in sorted(rows)[-shown_max:]:
        yield f"  {row}"


def _proposal_row(one: Proposal) -> tuple[int, str]:
    pairs = (f'{name}="{value}"' for name, value in one.labels.pairs[:LABELS_SHOWN_MAX])
    return one.met_ms, f"{_moment(one.met_ms)}  {one.kind:<9}  {{{', '.join(pairs)}}}  {_because(one)}"


def _because(one: Proposal) -> str:
    if not one.would_ms:
        return f"{one.guard}: {one.reason}" if one.guard else "it was over before the guards had answered"
    needs = f"the playbook has {Duration(one.within_ms)}"
    if not one.ended_ms:
        return f"{needs}; the end of the trouble was not seen"
    return f"the trouble lasted {Duration(one.lasted_ms // 1000 * 1000)} more; {needs}"


def _run_row(one: Attempt) -> tuple[int, str]:
    return one.started_ms, f"{_moment(one.started_ms)}  {one.outcome or 'under way':<9}  a run"


def edit(place: Place, mode: Mode) -> str:
    """Return what a human writes, and where, to promote a playbook."""
    path, line = Path(place.file), f"mode: {mode}"
    if path.is_relative_to(remediations.playbooks.__path__[0]):
        return f"to promote it: copy {path}, write `{line}` in the copy, and name the copy under playbooks"
    tree, _ = read_tree(files.read(path, FILE_BYTES_MAX), str(path))
    pairs = tree.pairs if isinstance(tree, Mapping) else ()
    at = next((key.place.line for key, _ in pairs if key.text == "mode"), None)
    where = f"write `{line}` in line {at} of {path}" if at else f"add the line `{line}` to {path}"
    return f"to promote it: {where}, and reload the agent"


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
