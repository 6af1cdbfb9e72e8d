"""Scenes for explanations: a running agent as it is now, or what an agent recorded as it was at some time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.config import Installation
from agent.explain.explain import Scene
from agent.explain.healing import RUNS_MAX, Healing, Story
from agent.healing.freeze import frozen
from agent.walk import Walk
from model.labels import Labels
from model.matcher import Matchers
from model.plugin import Deadline
from remediations.attempt import Attempt
from remediations.healer import HISTORY_MS, KEPT_MS
from remediations.question import Facts
from remediations.running.journal import Journal
from remediations.writing.playbook import Playbook
from rules.backtest import Recording, Replay, Span, Standing, run
from rules.file import AlertingRule, Rule, RuleFile, Rules
from rules.judge import GroupStatus
from rules.judged import RuleStatus
from rules.reach import ANY
from rules.store.log import segments

LOOK_MS: Final = 6 * 3_600_000
"""How long before the time that is asked for a rule is replayed, so that its timers are as they were."""


def of_agent(
    walk: Walk, installation: Installation, journal: Journal, deadline: Deadline, now_ms: int
) -> Scene:
    """Return the scene of a running agent; called on the loop's thread."""
    config = installation.config
    return Scene(
        at_ms=now_ms,
        store=walk.store,
        rules=tuple(
            _standing(group, status, walk)
            for group in walk.judge.statuses()
            for status in group.rules
            if isinstance(status.rule, AlertingRule)
        ),
        unseen=walk.unseen(),
        healing=Healing(
            walk.healer.rungs.playbooks,
            lambda alert: walk.healer.facts(alert, now_ms),
            lambda labels: _stories(journal, labels, now_ms),
            lambda playbook: _attempts(journal, playbook, now_ms),
            walk.healer.remedy,
        ),
        deadline=deadline,
        names=_names(installation.rule_files),
        desks=tuple(config.desks),
        external=walk.terms.external,
    )


def _standing(group: GroupStatus, status: RuleStatus, walk: Walk) -> Standing:
    assert isinstance(status.rule, AlertingRule), "recording rules have no alerts"
    sources = (walk.judge.metrics_of(alert) for alert in status.alerts)
    return Standing(
        status.rule,
        group.group,
        group.file,
        group.interval_ms,
        status.alerts,
        status.error,
        status.evaluated_ms,
        frozenset().union(*sources),
    )


@contextlib.contextmanager
def of_state(
    state: Path, installation: Installation, wanted: Matchers, at_ms: int, deadline: Callable[[], Deadline]
) -> Iterator[Scene]:
    """Yield the scene that an agent's state directory tells of, as it was at a time; nothing is written.

    The rules that could bring the alert are replayed up to then. Raises ``NoSamples`` where that time was not
    recorded.
    """
    config = installation.config
    chosen = tuple(_narrowed(file, wanted) for file in installation.rule_files)
    replay = Replay(chosen, config.evaluation_interval.ms, thorough=True)
    metrics = replay.metrics | {"up"}
    asked = Span(at_ms - LOOK_MS - replay.longest_ms, at_ms)
    recording = Recording(lambda name: ANY in metrics or name in metrics)
    pages = recording.pages(segments(state / "samples"), *asked.since(replay.lookback_ms))
    run([replay], pages, asked, lambda _: None)
    frozen_now = frozen(config.freezes, at_ms)
    file = state / "runs.db"
    with contextlib.closing(Journal(file)) if file.is_file() else contextlib.nullcontext() as journal:
        yield Scene(
            at_ms=at_ms,
            store=replay.store,
            rules=replay.standings(),
            unseen=replay.unseen(at_ms),
            healing=Healing(
                installation.playbooks,
                lambda _: Facts(pauses={"freeze": frozen_now} if frozen_now else {}),
                lambda labels: _stories(journal, labels, at_ms),
                lambda playbook: _attempts(journal, playbook, at_ms),
                lambda _: None,
            ),
            deadline=deadline(),
            names=_names(installation.rule_files),
            desks=tuple(config.desks),
            external=_external(installation),
        )


def _names(rule_files: Iterable[RuleFile]) -> tuple[str, ...]:
    rules = (rule for file in rule_files for group in file.groups for rule in group.rules.each)
    return tuple(rule.name for rule in rules if isinstance(rule, AlertingRule))


def _external(installation: Installation) -> Mapping[str, str]:
    config = installation.config
    own = {"instance": config.instance} if config.instance else {}
    return {**own, **config.labels.each}


def _narrowed(file: RuleFile, wanted: Matchers) -> RuleFile:
    """Return the file with its recording rules and only those alerts that can be meant."""
    return replace(
        file,
        groups=tuple(
            replace(group, rules=Rules(tuple(_meant(group.rules.each, wanted)))) for group in file.groups
        ),
    )


def _meant(rules: Sequence[Rule], wanted: Matchers) -> Iterable[Rule]:
    names = [matcher for matcher in wanted.each if matcher.label == "alertname"]
    for rule in rules:
        if not isinstance(rule, AlertingRule) or all(one.matches({"alertname": rule.name}) for one in names):
            yield rule


def _stories(journal: Journal | None, labels: Labels, at_ms: int) -> Sequence[Story]:
    """Return the runs for an alert up to a time, the newest first."""
    if journal is None:
        return ()
    runs = [
        one for one in journal.recent(at_ms - KEPT_MS) if one.labels is labels and one.started_ms <= at_ms
    ]
    return [Story(one, journal.steps(one.id)) for one in reversed(runs[-RUNS_MAX:])]


def _attempts(journal: Journal | None, playbook: Playbook, at_ms: int) -> Sequence[Attempt]:
    since_ms = at_ms - HISTORY_MS
    found = journal.attempts(playbook.playbook, playbook.target, since_ms) if journal else ()
    return [one for one in found if one.started_ms <= at_ms]
