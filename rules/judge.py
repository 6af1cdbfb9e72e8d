"""The judge: every rule over the store, at its group's slots and as soon as what it reads has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Final

from model.alert import Alert, AlertState
from model.labels import Labels
from rules import lifecycle
from rules.file import AlertingRule, Group, RuleFile
from rules.judged import JudgedRule, RuleStatus
from rules.lifecycle import RESOLVED_KEPT_MS, Sight, Transition
from rules.promql import QueryError
from rules.reach import Reach
from rules.restore import belongs, restored
from rules.store.store import Store
from rules.template.value import ALONE, Setting
from rules.unseen import Unseen

# A restored alert that nothing speaks of any more, say of a probe that was removed, is judged after this.
AWAITED_MAX_MS: Final = 15 * 60_000

_PRECEDENCE: Final = (AlertState.RESOLVED, AlertState.PENDING, AlertState.FIRING)


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """How a group fares; ``missed`` counts the slots that came and went while the judge was busy."""

    group: Group
    file: str
    interval_ms: int
    evaluated_ms: int | None
    duration_s: float
    iterations: int
    missed: int
    rules: tuple[RuleStatus, ...]


@dataclass(slots=True)
class _JudgedGroup:
    """A group with its slots: fixed moments, an interval apart, that its name and file choose."""

    group: Group
    file: str
    interval_ms: int
    members: range
    offset_ms: int = field(init=False)
    slot_ms: int | None = None
    evaluated_ms: int | None = None
    duration_s: float = 0.0
    iterations: int = 0
    missed: int = 0

    def __post_init__(self) -> None:
        hashed = int(Labels.of(name=self.group.name, file=self.file).fingerprint(), 16)
        self.offset_ms = hashed % self.interval_ms

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes its slots the same after a reload."""
        return (self.file, self.group.name, self.interval_ms)

    def next_ms(self) -> int:
        """Return the next slot; 0, which is at once, for a group that was never judged."""
        return 0 if self.slot_ms is None else self.slot_ms + self.interval_ms

    def take_slot(self, now_ms: int) -> bool:
        """Tell whether a slot is due and take it; slots before it were missed and are not made up for."""
        slot_ms = now_ms - (now_ms - self.offset_ms) % self.interval_ms
        if self.slot_ms is not None:
            if slot_ms <= self.slot_ms:
                return False
            self.missed += (slot_ms - self.slot_ms) // self.interval_ms - 1
        self.slot_ms = slot_ms
        return True


class Judge:
    """All rules with their alerts; used by one thread, times are milliseconds since 1970 in UTC.

    ``interval_ms`` holds for groups that give none; ``monotonic`` counts seconds, to time each evaluation;
    ``setting`` is what templates know of the agent.
    """

    def __init__(
        self,
        files: Iterable[RuleFile],
        store: Store,
        interval_ms: int,
        monotonic: Callable[[], float],
        setting: Setting = ALONE,
    ) -> None:
        self._store = store
        self._interval_ms = interval_ms
        self._monotonic = monotonic
        self._setting = setting
        self._unseen = Unseen()
        self._doubts: Mapping[str, Unseen] = {}
        self._left: dict[Labels, Alert] = {}
        self._groups, self._rules = self._arranged(files)
        self._reach = Reach([judged.rule for judged in self._rules])

    def judge_due(self, now_ms: int) -> tuple[Transition, ...]:
        """Judge the groups whose slot has come and the rules with an alert whose time is over."""
        self._let_go(now_ms)
        transitions: list[Transition] = []
        taken: set[int] = set()
        for group in self._groups:
            if group.take_slot(now_ms):
                began_s = self._monotonic()
                for index in group.members:
                    transitions += self._judge(index, now_ms)
                taken.update(group.members)
                group.evaluated_ms = now_ms
                group.iterations += 1
                group.duration_s = self._monotonic() - began_s
        for index, judged in enumerate(self._rules):
            if judged.due_ms is not None and judged.due_ms <= now_ms and index not in taken:
                transitions += self._judge(index, now_ms)
        return tuple(transitions)

    def judge_metrics(self, names: frozenset[str], now_ms: int) -> tuple[Transition, ...]:
        """Judge at once every rule that reads these metrics, also through what other rules record."""
        reached = self._reach.of(names)
        for index in reached:
            self._rules[index].awaited.clear()
        return tuple(change for index in reached for change in self._judge(index, now_ms))

    def next_due_ms(self) -> int | None:
        """Return when ``judge_due`` has something to do next, or None without any rule."""
        times = [group.next_ms() for group in self._groups]
        times += [judged.due_ms for judged in self._rules if judged.due_ms is not None]
        return min(times, default=None)

    def alerts(self) -> tuple[Alert, ...]:
        """Return every alert once, resolved ones for 15 minutes; where two rules agree, the worse state."""
        found = dict(self._left)
        for judged in self._rules:
            for labels, alert in judged.alerts.items():
                known = found.get(labels)
                if known is None or _PRECEDENCE.index(known.state) < _PRECEDENCE.index(alert.state):
                    found[labels] = alert
        return tuple(found.values())

    def statuses(self) -> tuple[GroupStatus, ...]:
        """Return how every group and rule fares."""
        return tuple(
            GroupStatus(
                group.group,
                group.file,
                group.interval_ms,
                group.evaluated_ms,
                group.duration_s,
                group.iterations,
                group.missed,
                tuple(self._rules[index].status() for index in group.members),
            )
            for group in self._groups
        )

    def still_returns(self, alert: Alert, now_ms: int) -> bool | None:
        """Tell whether the alert's rule finds it at this time; None where that cannot be known.

        Nothing changes by asking.
        """
        answers: list[bool | None] = []
        for index, rule in self._alerting():
            if not belongs(rule, alert):
                continue
            try:
                views = self._rules[index].views(self._store, now_ms)
            except QueryError:
                answers.append(None)
                continue
            found = any(lifecycle.identity(rule, view) is alert.labels for view in views)
            answers.append(True if found else None if self._hidden(index, alert.labels) else False)
        if True in answers:
            return True
        return None if None in answers or not answers else False

    def metrics_of(self, alert: Alert) -> frozenset[str]:
        """Return every metric that decides about this alert, also through recording rules."""
        own = (self._reach.sources(index) for index, rule in self._alerting() if belongs(rule, alert))
        return frozenset().union(*own)

    def set_unknown(self, targets: Mapping[Labels, frozenset[str]]) -> None:
        """Take note of all targets that cannot be seen now, each with the metrics it would bring.

        No metric named stands for any. Call it before the metrics of a target that was lost are judged, and
        at the start with every target that was not looked at yet.
        """
        self._unseen = Unseen(MappingProxyType(dict(targets)))

    def set_doubts(self, doubts: Mapping[str, Mapping[Labels, frozenset[str]]]) -> None:
        """Take note of all targets that were seen but are not to be trusted now, by the reason in words.

        Nothing begins to fire on them and nothing is resolved; an alert's ``for`` begins anew afterwards.
        """
        self._doubts = {why: Unseen(MappingProxyType(dict(targets))) for why, targets in doubts.items()}

    def restore(self, saved: Iterable[Alert], seen_ms: int, now_ms: int) -> None:
        """Take up saved alerts after a restart; ``seen_ms`` is when they were last judged.

        What is active stays unknown until its rule returns it or a metric that the rule reads was written.
        """
        alerts = tuple(saved)
        for index, rule in self._alerting():
            judged = self._rules[index]
            own = [restored(rule, alert, seen_ms, now_ms) for alert in alerts if belongs(rule, alert)]
            kept = {alert.labels: alert for alert in own if alert is not None}
            judged.awaited = {labels: now_ms for labels, alert in kept.items() if _unknown(alert)}
            if not self._reach.sources(index):
                judged.awaited.clear()  # An expression that reads nothing is as true as ever.
            judged.keep(MappingProxyType({**judged.alerts, **kept}))

    def reload(self, files: Iterable[RuleFile], now_ms: int) -> tuple[Transition, ...]:
        """Go on with other rules; a rule of the same name and labels keeps its alerts.

        What a removed rule left firing is resolved, since a person took it away.
        """
        slots = {group.key: group for group in self._groups}
        rules_before = self._rules
        self._groups, self._rules = self._arranged(files)
        self._reach = Reach([judged.rule for judged in self._rules])
        for group in self._groups:
            before = slots.get(group.key)
            if before is not None:
                group.slot_ms, group.missed = before.slot_ms, before.missed
        left = _handed_over(rules_before, self._rules)
        transitions: list[Transition] = []
        for judged in left:
            judged.withdraw(self._store, now_ms)
            transitions += self._leave(judged, now_ms)
        return tuple(transitions)

    def _arranged(self, files: Iterable[RuleFile]) -> tuple[list[_JudgedGroup], list[JudgedRule]]:
        groups: list[_JudgedGroup] = []
        rules: list[JudgedRule] = []
        for file in files:
            for group in file.groups:
                first = len(rules)
                rules += [
                    JudgedRule(rule, group, file.file, self._setting, self._monotonic)
                    for rule in group.rules.each
                ]
                interval_ms = (group.interval.ms if group.interval else 0) or self._interval_ms
                groups.append(_JudgedGroup(group, file.file, interval_ms, range(first, len(rules))))
        return groups, rules

    def _alerting(self) -> Iterator[tuple[int, AlertingRule]]:
        for index, judged in enumerate(self._rules):
            if isinstance(judged.rule, AlertingRule):
                yield index, judged.rule

    def _judge(self, index: int, now_ms: int) -> tuple[Transition, ...]:
        judged = self._rules[index]
        began_s = self._monotonic()
        sight = Sight(partial(self._hidden, index), partial(self._doubt, index))
        transitions = judged.judge(self._store, now_ms, sight)
        judged.duration_s = self._monotonic() - began_s
        judged.awaited = {
            labels: since_ms
            for labels, since_ms in judged.awaited.items()
            if _unknown(judged.alerts.get(labels)) and now_ms - since_ms < AWAITED_MAX_MS
        }
        return transitions

    def _hidden(self, index: int, labels: Labels) -> bool:
        """Tell whether the absence of an alert with these labels means nothing."""
        judged = self._rules[index]
        own = {name for name, _ in judged.rule.labels.each}
        return labels in judged.awaited or self._unseen.hides(labels, own, self._reach.sources(index))

    def _doubt(self, index: int, labels: Labels) -> str:
        """Return why what was seen of this alert's target is not to be trusted, or nothing."""
        if not self._doubts:
            return ""
        own = {name for name, _ in self._rules[index].rule.labels.each}
        sources = self._reach.sources(index)
        return next((why for why, seen in self._doubts.items() if seen.hides(labels, own, sources)), "")

    def _leave(self, judged: JudgedRule, now_ms: int) -> Iterable[Transition]:
        """Resolve what a removed rule left firing; it is kept as long as any resolved alert."""
        for labels, alert in judged.alerts.items():
            if alert.state is AlertState.FIRING:
                after = replace(
                    alert, state=AlertState.RESOLVED, resolved_at_ms=now_ms, unknown_since_ms=None
                )
                self._left[labels] = after
                yield Transition(alert, after, "its rule was removed")
            elif alert.state is AlertState.PENDING:
                yield Transition(alert, None, "its rule was removed")
            else:
                self._left[labels] = alert

    def _let_go(self, now_ms: int) -> None:
        for labels, alert in list(self._left.items()):
            if alert.resolved_at_ms is None or now_ms - alert.resolved_at_ms > RESOLVED_KEPT_MS:
                del self._left[labels]


def _unknown(alert: Alert | None) -> bool:
    return alert is not None and alert.unknown_since_ms is not None


def _handed_over(before: Sequence[JudgedRule], after: Sequence[JudgedRule]) -> list[JudgedRule]:
    """Let each rule take over from its like, first in the same group, then anywhere; return the rest."""
    left, heirs = list(before), list(after)
    for same_group in (True, False):
        known: dict[tuple[str, ...], list[JudgedRule]] = {}
        for old in reversed(left):
            known.setdefault(_identity(old, same_group=same_group), []).append(old)
        waiting, heirs = heirs, []
        for new in waiting:
            olds = known.get(_identity(new, same_group=same_group))
            if olds:
                new.take_over(olds.pop())
            else:
                heirs.append(new)
        left = [old for olds in known.values() for old in olds]
    return left


def _identity(judged: JudgedRule, *, same_group: bool) -> tuple[str, ...]:
    return (judged.file, judged.group.name, *judged.key) if same_group else judged.key
