"""What is done about an alert: the playbook, those that nearly answer, the guards, the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.desks.wire import rfc3339
from model.alert import Alert, AlertState
from model.labels import Labels
from model.matcher import Matcher, Matchers
from model.outcome import Remedy
from remediations.attempt import Attempt
from remediations.guard import decide
from remediations.question import Facts, Refused
from remediations.redact import redacted
from remediations.running.gathered import evidence_of
from remediations.running.journal import StepRecord
from remediations.running.run import Run
from remediations.writing.playbook import Playbook, answering

NEAR_MAX: Final = 10
RUNS_MAX: Final = 5
OUTPUT_CHARACTERS_MAX: Final = 2_000
EVIDENCE_CHARACTERS_MAX: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Story:
    """A run with what its steps came to."""

    run: Run
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class Healing:
    """Who could act, and what was done.

    ``stories`` returns the newest runs for an alert, ``attempts`` a playbook's history, and ``remedy`` how
    its healing stands, None where no healer is at work.
    """

    playbooks: Sequence[Playbook]
    facts: Callable[[Alert], Facts]
    stories: Callable[[Labels], Sequence[Story]]
    attempts: Callable[[Playbook], Sequence[Attempt]]
    remedy: Callable[[Labels], Remedy | None]


def healing(scene: Healing, alert: Alert, at_ms: int) -> dict[str, Any]:
    """Return, for JSON, what is to be said of the healing of one alert."""
    playbook = next(iter(answering(scene.playbooks, alert.labels)), None)
    remedy = scene.remedy(alert.labels)
    return {
        "playbook": playbook.playbook if playbook else "",
        "near_misses": _near(scene.playbooks, playbook, alert.labels),
        "guard": _guard(scene, playbook, alert, at_ms),
        "remedy": remedy.told() if remedy else None,
        "runs": [
            _story(story, in_full=place == 0)
            for place, story in enumerate(scene.stories(alert.labels)[:RUNS_MAX])
        ],
    }


def _near(playbooks: Sequence[Playbook], chosen: Playbook | None, labels: Labels) -> list[dict[str, str]]:
    """Return the playbooks that were not chosen, the nearest first, with the label that did not match."""
    found: list[tuple[int, dict[str, str]]] = []
    for playbook in playbooks:
        on, wrong = _nearest_matchers(playbook, labels)
        near = {"playbook": playbook.playbook, "matcher": "", "label": "", "has": ""}
        if playbook is chosen or (len(wrong) == len(on.each) > 1):
            continue
        if wrong:
            label, has = wrong[0].label, labels.get(wrong[0].label)
            near |= {"matcher": str(wrong[0]), "label": label, "has": has}
            near["reason"] = f"{wrong[0]} did not match: {label} is {has!r}"
        else:
            first = chosen.playbook if chosen else "another"
            near["reason"] = f"it would answer as well, but {first} stands before it"
        found.append((len(wrong) if len(wrong) < len(on.each) else len(labels), near))
    found.sort(key=lambda each: each[0])
    return [near for _, near in found[:NEAR_MAX]]


def _nearest_matchers(playbook: Playbook, labels: Labels) -> tuple[Matchers, list[Matcher]]:
    """Return the matchers of a playbook that come nearest, and those of them that do not hold."""
    each = [(on, [one for one in on.each if not one.matches(labels)]) for on in playbook.on]
    return min(each, key=lambda pair: len(pair[1]))


def _guard(scene: Healing, playbook: Playbook | None, alert: Alert, at_ms: int) -> str:
    """Ask the guards once more and return their sentence; what a human intends is asked in earnest only."""
    if playbook is None:
        return f"no playbook answers to {alert.name}"
    if alert.state is not AlertState.FIRING:
        return f"the guards are asked when it fires; it is {alert.state.value}"
    verdict = decide(playbook, alert, scene.facts(alert), scene.attempts(playbook), at_ms)
    return (
        verdict.reason if isinstance(verdict, Refused) else f"nothing speaks against {playbook.playbook} now"
    )


def _story(story: Story, *, in_full: bool) -> dict[str, Any]:
    """Return a run with its steps; only the newest has all of its evidence."""
    run = story.run
    moments = {"started": run.started_ms, "acted": run.acted_ms, "done": run.done_ms, "healed": run.healed_ms}
    moments |= {"verified": run.verified_ms, "ended": run.ended_ms}
    return {
        "run": run.id,
        "playbook": run.playbook,
        "stage": run.stage.value,
        "outcome": run.outcome.value if run.outcome else None,
        "reason": run.reason,
        **{name: rfc3339(at_ms) if at_ms else None for name, at_ms in moments.items()},
        "steps": [_step(step, in_full=in_full) for step in story.steps],
    }


def _step(step: StepRecord, *, in_full: bool) -> dict[str, Any]:
    result, evidence = step.result, evidence_of(step.step)
    fields: dict[str, Any] = {"number": step.number, "step": step.step, "began": rfc3339(step.began_ms)}
    if result is None:
        return {**fields, "ok": None, "reason": "what came of it is not known"}
    characters_max = EVIDENCE_CHARACTERS_MAX if evidence and in_full else OUTPUT_CHARACTERS_MAX
    output = redacted(result.output[:characters_max]) if evidence else result.output[:characters_max]
    rest = {"rc": result.rc, "signal": result.signal, "duration_ms": result.duration_ms, "output": output}
    if evidence:
        rest["evidence"] = evidence
    return {**fields, "ok": result.ok, "reason": result.reason[:OUTPUT_CHARACTERS_MAX], **rest}
