"""Rehearses rules over written series and compares what comes out with what was expected.

The order of things is that of ``promtool test rules`` (cmd/promtool/unittest.go of Prometheus 3.5): at each
step the samples up to it, then every group, then the alerts that are expected there; expressions come last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from model.alert import Alert, AlertState
from model.duration import Duration
from model.labels import Labels
from model.misfit import NOWHERE, Misfit, Place
from rules.file import RuleFile
from rules.judged import JudgedRule
from rules.lifecycle import CLEAR
from rules.promql import QueryError, compile_query
from rules.promql.dialect import Compat
from rules.store.store import Selector, Store
from rules.template.value import Setting
from rules.unit_test.file import AlertTest, Case, ExprTest, Pair, Suite
from rules.unit_test.series import Gap

SERIES_MAX: Final = 200_000
STEPS_MAX: Final = 1_000_000

Named = tuple[tuple[Pair, ...], tuple[Pair, ...]]
"""Labels and annotations of an alert."""
Valued = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Broken:
    """The rehearsal itself did not work out."""

    sentence: str
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class OtherAlerts:
    """Other alerts fired than were expected."""

    test: AlertTest
    expected: tuple[Named, ...]
    got: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class OtherSamples:
    """An expression yielded something else than was expected."""

    test: ExprTest
    expected: tuple[Valued, ...]
    got: tuple[Valued, ...]


Failure = Broken | OtherAlerts | OtherSamples


@dataclass(frozen=True, slots=True)
class Played:
    """A case that was played: its failures, none where all was as expected, and its samples."""

    case: Case
    failures: tuple[Failure, ...]
    store: Store


def play(case: Case, suite: Suite, files: Iterable[RuleFile], compat: Compat = "prometheus3") -> Played:
    """Rehearse one case with rules that were compiled for the suite's step."""
    store = Store(1 << 60, SERIES_MAX)
    unnamed = [test for test in case.alert_rule_test or () if not test.alertname]
    if unnamed:
        broken = Broken("an item of alert_rule_test has no alertname", unnamed[0].place)
        return Played(case, (broken,), store)
    native = [one for one in case.input_series or () if Gap.HISTOGRAM in one.values.entries]
    if native:
        sentence = f"{native[0].series} has native histograms, which are not supported"
        return Played(case, (Broken(sentence, case.place),), store)
    if _last_ms(case) // suite.step_ms >= STEPS_MAX:
        return Played(case, (Broken(f"the test takes more than {STEPS_MAX} steps", case.place),), store)
    failures = list(_steps(case, suite, _arranged(case, suite, files), store))
    if not any(isinstance(failure, Broken) for failure in failures):
        for test in case.promql_expr_test or ():
            failures += _asked(test, case.start_timestamp.ms + test.at_ms, store, suite, compat)
    return Played(case, tuple(failures), store)


def dump(store: Store, until_ms: int) -> Iterator[str]:
    """Yield every series with its samples, as ``--debug`` shows them."""
    rows = store.windows(Selector("", ()), -1, until_ms)
    for labels, times, values in sorted(rows, key=lambda row: row[0].pairs):
        samples = " ".join(f"{value:g}@{at_ms / 1000:g}s" for at_ms, value in zip(times, values, strict=True))
        yield f"{labels} {samples}"


def _last_ms(case: Case) -> int:
    tests: tuple[AlertTest | ExprTest, ...] = (*(case.alert_rule_test or ()), *(case.promql_expr_test or ()))
    return max((test.at_ms for test in tests), default=0)


def _arranged(case: Case, suite: Suite, files: Iterable[RuleFile]) -> list[JudgedRule]:
    """Return every rule in the order of evaluation; a group's own interval counts for nothing here."""
    order = {name: place for place, name in enumerate(suite.group_eval_order or ())}
    groups = [(group, file.file) for file in files for group in file.groups]
    groups.sort(key=lambda pair: order.get(pair[0].name, 0))
    setting = Setting(Labels.of(case.external_labels.each), case.external_url)
    return [JudgedRule(rule, group, file, setting) for group, file in groups for rule in group.rules.each]


def _steps(case: Case, suite: Suite, rules: Sequence[JudgedRule], store: Store) -> Iterator[Failure]:
    """Let time pass; a rule that fails ends the rehearsal after its step."""
    left = _Arriving(case, suite.step_ms)
    tests = sorted(case.alert_rule_test or (), key=lambda test: test.at_ms)
    for told_ms in range(0, _last_ms(case) + 1, suite.step_ms):
        left.write(store, told_ms)
        for judged in rules:
            judged.judge(store, case.start_timestamp.ms + told_ms, CLEAR)
        failed = [judged for judged in rules if judged.error]
        for judged in failed:
            sentence = f"the rule {judged.rule.name} failed after {Duration(told_ms)}: {judged.error}"
            yield Broken(sentence, judged.rule.place)
        if failed:
            return
        while tests and tests[0].at_ms < told_ms + suite.step_ms:
            yield from _fired(tests.pop(0), rules)


class _Arriving:
    """The written samples that have not come yet; a series that is written twice is what stands last."""

    def __init__(self, case: Case, step_ms: int) -> None:
        self._start_ms = case.start_timestamp.ms
        self._interval_ms = (case.interval.ms if case.interval else 0) or step_ms
        series = {one.series.labels: one.values.entries for one in case.input_series or ()}
        self._series = list(series.items())
        self._written = 0

    def write(self, store: Store, told_ms: int) -> None:
        """Write all samples up to a moment of the story."""
        until = told_ms // self._interval_ms + 1
        for labels, entries in self._series:
            for number in range(self._written, min(until, len(entries))):
                entry, at_ms = entries[number], self._start_ms + number * self._interval_ms
                if entry is Gap.STALE:
                    store.mark_stale(labels, at_ms)
                elif isinstance(entry, float):
                    store.append(labels, at_ms, entry)
        self._written = max(self._written, until)


def _fired(test: AlertTest, rules: Sequence[JudgedRule]) -> Iterator[Failure]:
    """Compare all firing alerts of one name, over all groups."""
    firing = (alert for judged in rules for alert in judged.alerts.values())
    got = sorted(_named(alert) for alert in firing if alert.name == test.alertname and _fires(alert))
    expected = sorted(
        (_with_name(alert.exp_labels.each, test.alertname), alert.exp_annotations.each)
        for alert in test.exp_alerts or ()
    )
    if got != expected:
        yield OtherAlerts(test, tuple(expected), tuple(got))


def _fires(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING


def _named(alert: Alert) -> Named:
    return alert.labels.pairs, tuple(sorted(alert.annotations.items()))


def _with_name(pairs: tuple[Pair, ...], name: str) -> tuple[Pair, ...]:
    return tuple(sorted({**dict(pairs), "alertname": str(name)}.items()))


def _asked(test: ExprTest, at_ms: int, store: Store, suite: Suite, compat: Compat) -> Iterator[Failure]:
    """Compare what an expression yields."""
    if any(sample.histogram for sample in test.exp_samples or ()):
        yield Broken(f"{test.expr}: native histograms are not supported", test.place)
        return
    try:
        points = compile_query(test.expr, suite.step_ms, compat).at(store, at_ms)
    except (Misfit, QueryError) as wrong:
        yield Broken(f"{test.expr}: {wrong}", test.place)
        return
    got = sorted(((point.labels, point.value) for point in points), key=_by_labels)
    written = ((sample.labels.labels, sample.value.value) for sample in test.exp_samples or ())
    expected = sorted(written, key=_by_labels)
    same = len(got) == len(expected) and all(
        one[0] is other[0] and _same(one[1], other[1], fuzzy=suite.fuzzy_compare)
        for one, other in zip(got, expected, strict=True)
    )
    if not same:
        yield OtherSamples(test, tuple(expected), tuple(got))


def _by_labels(valued: Valued) -> tuple[Pair, ...]:
    return valued[0].pairs


def _same(left: float, right: float, *, fuzzy: bool) -> bool:
    """Tell whether two numbers are equal; ``fuzzy`` allows the last bit to differ. NaN equals nothing."""
    near = (math.nextafter(left, -math.inf), math.nextafter(left, math.inf)) if fuzzy else ()
    return left == right or right in near
