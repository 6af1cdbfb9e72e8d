"""A rule at work: what it found so far, what it wrote, and how it fares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from model.alert import Alert, AlertState
from model.labels import NAME, Labels
from model.misfit import Misfit
from model.plugin import Deadline
from rules import lifecycle
from rules.file import AlertingRule, Group, RecordingRule, Rule
from rules.lifecycle import Alerts, Evaluation, Sight, Transition
from rules.promql import Point, QueryError, compile_query
from rules.reach import ALERTS, ALERTS_FOR_STATE
from rules.store.store import Store
from rules.template.value import ALONE, Found, Setting, View, WrongValue

Health = Literal["unknown", "ok", "err"]

# A template may put labels into its query, so what it asks has no end.
QUERIES_KEPT_MAX: Final = 256

_compiled: Final = lru_cache(QUERIES_KEPT_MAX)(compile_query)


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """How a rule fares; ``evaluated_ms`` is None before its first evaluation."""

    rule: Rule
    health: Health
    error: str
    evaluated_ms: int | None
    duration_s: float
    evaluations: int
    failures: int
    alerts: tuple[Alert, ...]


EVALUATION_S_MAX: Final = 1.0


@dataclass(slots=True)
class JudgedRule:
    """One rule of a group with its state.

    With ``monotonic``, which counts seconds, an evaluation ends in an error after ``EVALUATION_S_MAX``.
    """

    rule: Rule
    group: Group
    file: str
    setting: Setting = ALONE
    monotonic: Callable[[], float] | None = None
    alerts: Alerts = field(default_factory=dict)
    health: Health = "unknown"
    error: str = ""
    evaluated_ms: int | None = None
    duration_s: float = 0.0
    evaluations: int = 0
    failures: int = 0
    due_ms: int | None = None
    awaited: dict[Labels, int] = field(default_factory=dict)
    _written: dict[Labels, float] = field(default_factory=dict)
    _written_ms: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What makes this the same rule in an edited file: its kind, its name and its labels."""
        texts = sorted(f"{name}={text}" for name, text in self.rule.labels.texts().items())
        return (type(self.rule).__name__, self.rule.name, *texts)

    def judge(self, store: Store, now_ms: int, sight: Sight) -> tuple[Transition, ...]:
        """Evaluate the rule at this time, write its series, and return what changed."""
        self.evaluated_ms = now_ms
        self.evaluations += 1
        if isinstance(self.rule, RecordingRule):
            self.error = self._record(self.rule, store, now_ms)
            transitions: tuple[Transition, ...] = ()
        else:
            evaluation = self._alert(self.rule, store, now_ms, sight)
            self.error, transitions = evaluation.error, evaluation.transitions
        self.health = "err" if self.error else "ok"
        self.failures += bool(self.error)
        return transitions

    def points(self, store: Store, now_ms: int) -> Sequence[Point]:
        """Return the result of the expression, or raise ``QueryError``."""
        deadline = None
        if self.monotonic is not None:
            deadline = Deadline(self.monotonic() + EVALUATION_S_MAX, self.monotonic)
        return self.rule.expr.query.at(store, now_ms - self._offset_ms, deadline)

    def views(self, store: Store, now_ms: int) -> list[View]:
        """Return what templates see of each element of the result, or raise ``QueryError``."""
        points = self.points(store, now_ms)
        if not points:
            return []
        setting = replace(self.setting, query=_asking(store, now_ms))
        return [View(point.labels, point.value, setting) for point in points]

    def keep(self, alerts: Alerts) -> None:
        """Make these the rule's alerts, as after a restart."""
        self.alerts = alerts
        self._look_ahead()

    def take_over(self, other: JudgedRule) -> None:
        """Go on with the state of the rule that this one replaces."""
        self.alerts, self.awaited = other.alerts, other.awaited
        self._written, self._written_ms = other._written, other._written_ms
        self._look_ahead()

    def withdraw(self, store: Store, now_ms: int) -> None:
        """End the series of a rule that is no more."""
        self._write(store, now_ms, {})

    def status(self) -> RuleStatus:
        """Return how the rule fares."""
        return RuleStatus(
            self.rule,
            self.health,
            self.error,
            self.evaluated_ms,
            self.duration_s,
            self.evaluations,
            self.failures,
            tuple(self.alerts.values()),
        )

    @property
    def _offset_ms(self) -> int:
        return self.group.query_offset.ms if self.group.query_offset else 0

    def _alert(self, rule: AlertingRule, store: Store, now_ms: int, sight: Sight) -> Evaluation:
        try:
            views = self.views(store, now_ms)
        except QueryError as wrong:
            evaluation = lifecycle.fail(self.alerts, now_ms, str(wrong))
        else:
            evaluation = lifecycle.advance(rule, self.alerts, views, now_ms, sight, limit=self.group.limit)
        self.alerts = evaluation.alerts
        self._look_ahead()
        self._write(store, now_ms, _series(self.alerts))
        return evaluation

    def _record(self, rule: RecordingRule, store: Store, now_ms: int) -> str:
        """Write the results as series and return an empty text, or why that could not be."""
        try:
            points = self.points(store, now_ms)
        except QueryError as wrong:
            return str(wrong)
        own = {**rule.labels.texts(), NAME: rule.name}
        rows: dict[Labels, float] = {}
        for point in points:
            labels = point.labels.having(own)
            if labels in rows:
                return f"two results have the same labels {labels} after the rule's own were applied"
            rows[labels] = point.value
        if 0 < self.group.limit < len(rows):
            return f"exceeded limit of {self.group.limit} with {len(rows)} series"
        self._write(store, now_ms, rows)
        return ""

    def _write(self, store: Store, now_ms: int, rows: Mapping[Labels, float]) -> None:
        """Append these series and end those that were written last time and are gone."""
        at_ms = now_ms - self._offset_ms
        if self._written_ms is not None and at_ms <= self._written_ms:
            return  # The store takes one value for one time; the next evaluation tells it.
        for labels, value in rows.items():
            store.append(labels, at_ms, value)
        for labels in self._written.keys() - rows.keys():
            store.mark_stale(labels, at_ms)
        self._written, self._written_ms = dict(rows), at_ms

    def _look_ahead(self) -> None:
        """Note when time alone will change an alert of this rule."""
        if isinstance(self.rule, AlertingRule):
            times = (lifecycle.due_ms(self.rule, alert) for alert in self.alerts.values())
            self.due_ms = min((time for time in times if time is not None), default=None)


def _asking(store: Store, now_ms: int) -> Callable[[str], tuple[Found, ...]]:
    """Return the templates' way to the samples."""

    def query(text: str) -> tuple[Found, ...]:
        try:
            return tuple(Found(point.labels, point.value) for point in _compiled(text).at(store, now_ms))
        except (Misfit, QueryError) as wrong:
            raise WrongValue(str(wrong)) from None

    return query


def _series(alerts: Alerts) -> dict[Labels, float]:
    """Return the series that Prometheus writes about its alerts."""
    rows: dict[Labels, float] = {}
    for labels, alert in alerts.items():
        if alert.state is not AlertState.RESOLVED:
            rows[labels.having({NAME: ALERTS, "alertstate": alert.state.value})] = 1.0
            rows[labels.having({NAME: ALERTS_FOR_STATE})] = alert.active_at_ms // 1000
    return rows
