"""Says how what came of a trial differs: ``-`` before what was expected, ``+`` before what came."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from model.step import Exec, Step, vital
from remediations.running.run import Run
from remediations.trials import stage
from remediations.trials.file import Expected, Trial
from remediations.trials.play import Played
from remediations.writing.playbook import Playbook


def failures(trial: Trial, playbook: Playbook, played: Played) -> tuple[str, ...]:
    """Return what did not come out as expected, each in lines that tell of it; none where all did."""
    place = trial.expect.place
    return tuple(f"{place}: {failure}" for failure in _failures(trial, playbook, played))


def _failures(trial: Trial, playbook: Playbook, played: Played) -> Iterator[str]:
    expect, labels = trial.expect, trial.alert.labels
    if not any(each.matches(labels) for each in playbook.on):
        yield f"{playbook.playbook} does not answer to {labels['alertname']} with these labels"
    yield from _strange(trial, playbook, played)
    if played.unwritten:
        # What follows from an answer that is missing would only hide that it is.
        yield from (_lacking(step) for step in played.unwritten)
    elif played.refused is not None or expect.refuses:
        yield from _refusal(trial, playbook, played)
    elif played.run is not None:
        yield from _run(expect, played, played.run)


def _strange(trial: Trial, playbook: Playbook, played: Played) -> Iterator[str]:
    """Name answers to what the playbook never does: mostly they are misspelt."""
    if not played.possible:
        return
    asked = [step for steps in playbook.asks(trial.facts) for step in steps]
    known = stage.known_keys([*played.possible, *asked])
    for answer in trial.answers:
        if stage.key_of(answer) not in known:
            what = " ".join(stage.key_of(answer)).strip()
            yield f"{playbook.playbook} never does what {answer.place} answers: {what}"


def _lacking(step: Step) -> str:
    cure = f'- {{run: "{_typed(step)}", rc: 0}}' if isinstance(step, Exec) else f'- {{step: "{step}"}}'
    where = "commands" if isinstance(step, Exec) else "deeds"
    return f"nothing is written of what comes of: {step}; add under {where}: {cure}"


def _typed(step: Exec) -> str:
    return str(step).partition(" ")[2]


def _refusal(trial: Trial, playbook: Playbook, played: Played) -> Iterator[str]:
    expect, refused = trial.expect, played.refused
    if refused is None:
        assert played.run is not None, "what is not refused runs"
        yield _differs(
            "refusal", f"{expect.guard or ''} {expect.refused or ''}".strip(), "it was not refused"
        )
        return
    if not expect.refuses:
        yield f"it was refused:\n+ {refused.guard}: {refused.reason}"
        return
    if expect.refused is not None and expect.refused not in refused.reason:
        yield _differs("refusal", expect.refused, refused.reason)
    if expect.guard is not None and expect.guard != refused.guard:
        yield _differs("guard", expect.guard, f"{refused.guard}: {refused.reason}")
    escalates = playbook.otherwise == "escalate" and not refused.passing
    if expect.escalate is not None and expect.escalate is not escalates:
        yield _differs("escalate", _word(truth=expect.escalate), _word(truth=escalates))


def _run(expect: Expected, played: Played, run: Run) -> Iterator[str]:
    if expect.steps is not None:
        yield from _steps("steps", expect.steps, played.taken)
    yield from _skipped(expect.skipped, played)
    if expect.outcome is not None and expect.outcome is not run.outcome:
        yield _differs("outcome", expect.outcome.value, f"{run.outcome}: {run.reason}")
    if expect.escalate is not None and expect.escalate is not run.escalate:
        yield _differs("escalate", _word(truth=expect.escalate), f"{_word(truth=run.escalate)}: {run.reason}")
    if expect.reason is not None and expect.reason not in run.reason:
        yield _differs("reason", expect.reason, run.reason)
    if expect.undone is not None:
        yield from _steps("undone", expect.undone, played.undone)
    yield from _hidden(expect.hidden, played)


def _steps(what: str, expected: Sequence[str], taken: Iterable[Step]) -> Iterator[str]:
    """Compare steps in their order; what cannot end a run counts only where it is expected."""
    wanted = [str(one) for one in expected]
    got = [str(step) for step in taken if vital(step) or str(step) in wanted]
    if wanted != got:
        lines = (line for line in difflib.ndiff(wanted, got) if not line.startswith("?"))
        yield "\n".join((f"{what} differ", *lines))


def _skipped(skipped: Sequence[str], played: Played) -> Iterator[str]:
    possible, taken = set(map(str, played.possible)), set(map(str, played.taken))
    for step in skipped:
        if step not in possible:
            near = difflib.get_close_matches(step, possible, n=1)
            cure = f"; did you mean {near[0]!r}?" if near else ""
            yield f"no step of the playbook is {step!r}{cure}"
        elif step in taken:
            yield f"skipped differs\n- {step}\n+ it was taken"


def _hidden(texts: Sequence[str], played: Played) -> Iterator[str]:
    for text in texts:
        if text in played.journal:
            line = next(line for line in played.journal.splitlines() if text in line)
            yield f"{text!r} should be hidden, and the journal says\n+ {line}"
        elif text not in played.said:
            yield f"{text!r} is in no step and nobody says it, so that it is hidden proves nothing"


def _differs(what: str, expected: str, got: str) -> str:
    return f"{what} differs\n- {expected}\n+ {got}"


def _word(*, truth: bool) -> str:
    return "true" if truth else "false"
