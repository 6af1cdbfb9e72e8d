"""Did it help? Judged by samples that were taken after the last step, and asked for as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from agent.config import ProbeEntry
from agent.sight.senses import Reading
from model.alert import Alert
from model.labels import Labels
from remediations.guards.around import group_of
from remediations.question import Sight
from remediations.writing.playbook import Playbook
from rules.judge import Judge
from rules.promql import Query, QueryError
from rules.store.store import Store

_WHERE: Final = frozenset({"job", "instance"})

Target = tuple[ProbeEntry, Labels]


class Effects:
    """Judges a playbook's effect on an alert by the probes that see it; used by the loop's thread only."""

    def __init__(self, judge: Judge, store: Store, run_now: Callable[[str], None]) -> None:
        self._judge = judge
        self._store = store
        self._run_now = run_now
        self._queries: Mapping[str, Query] = {}
        self._targets: tuple[Target, ...] = ()
        self._groups: frozenset[str] = frozenset()
        self._seen_ms: dict[str, int] = {}

    def configure(self, queries: Mapping[str, Query], targets: Iterable[Target]) -> None:
        """Take the compiled ``verify.expr`` of each playbook that has one, and the probes."""
        self._queries = queries
        self._targets = tuple(targets)
        self._groups = frozenset(filter(None, (group_of(labels) for _, labels in self._targets)))

    def heard(self, reading: Reading) -> None:
        """Remember when each probe last saw its target."""
        if reading.seen:
            self._seen_ms[reading.entry.name] = reading.at_ms

    @property
    def groups(self) -> frozenset[str]:
        """What is watched, by what falls ill together."""
        return self._groups

    def sight(self, alert: Alert, now_ms: int) -> Sight | None:
        """Return how fresh the stalest look behind an alert is, None where no probe brings what it reads."""
        found = [
            Sight(now_ms - self._seen_ms[entry.name], entry.every.ms, entry.timeout.ms)
            for entry, _ in self._emitting(self._judge.metrics_of(alert), alert, but=frozenset())
            if entry.name in self._seen_ms
        ]
        return max(found, key=lambda one: one.age_ms / one.every_ms, default=None)

    def judge_effect(self, playbook: Playbook, alert: Alert, since_ms: int, now_ms: int) -> bool | None:
        """Return True when the trouble is gone, False when it is there, None while no fresh sample says.

        Gone means that the alert's own rule does not return it any more and that ``verify.expr``, where
        there is one, returns something; every probe concerned has looked after ``since_ms``.
        """
        for entry, _ in self._concerned(playbook, alert):
            if self._seen_ms.get(entry.name, 0) <= since_ms:
                return None
        returned = self._judge.still_returns(alert, now_ms)
        if returned is not False:
            return None if returned is None else False
        query = self._queries.get(playbook.playbook)
        if query is None:
            return True
        try:
            return bool(query.at(self._store, now_ms))
        except QueryError:
            return None

    def ask_fresh(self, playbook: Playbook, alert: Alert) -> None:
        """Have the probes that see this alert's trouble run now; the healer asks again until it is judged."""
        for entry, _ in self._concerned(playbook, alert):
            self._run_now(entry.name)

    def _concerned(self, playbook: Playbook, alert: Alert) -> list[Target]:
        """Return the probes whose samples decide about this alert and this playbook's effect.

        A probe decides about an alert where no label of its target contradicts the alert's; where
        ``verify.expr`` looks from another side, that side has another job and instance.
        """
        query = self._queries.get(playbook.playbook)
        own = self._emitting(self._judge.metrics_of(alert), alert, but=frozenset())
        other = self._emitting(query.metrics, alert, but=_WHERE) if query else []
        return own + [target for target in other if target not in own]

    def _emitting(self, metrics: frozenset[str], alert: Alert, but: frozenset[str]) -> list[Target]:
        return [
            (entry, labels)
            for entry, labels in self._targets
            if any(metric.name in metrics for metric in entry.probe.emits)
            and all(alert.labels.get(name) in ("", value) for name, value in labels.pairs if name not in but)
        ]
