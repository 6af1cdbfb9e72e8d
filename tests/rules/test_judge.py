"""The judge over a real store: slots, events, recordings, unknown targets, restarts and edited files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise

import pytest

from model.alert import Alert, AlertState
from model.labels import NAME, Labels
from model.sample import Sample
from rules.file import RuleFile, load_rules
from rules.judge import AWAITED_MAX_MS, Judge
from rules.lifecycle import RESOLVED_KEPT_MS
from rules.promql import compile_query
from rules.store.store import Store

S = 1000
T0 = 1_700_000_000 * S
PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
HTTP = Labels.of(job="http", instance="http://a/", service="checkout")
OTHER = Labels.of(job="http", instance="http://b/", service="search")
SUCCESS = frozenset({"probe_success"})


class Bench:
    """A store with a judge, and a hand that writes samples and has them judged."""

    def __init__(self, *texts: str, interval_s: int = 15) -> None:
        self.store = Store(6 * 3600 * S, 1000)
        ticks = count()
        self.judge = Judge(rule_files(*texts), self.store, interval_s * S, lambda: next(ticks) * 0.5)

    def write(
        self, at_ms: int, value: float, target: Labels = HTTP, name: str = "probe_success"
    ) -> list[str]:
        names = self.store.write(target, at_ms, [Sample(Labels.of({NAME: name}), value)])
        return [f"{c.alert.name} {c.reason}" for c in self.judge.judge_metrics(names, at_ms)]

    def lose(self, at_ms: int, *targets: Labels, names: frozenset[str] = SUCCESS) -> None:
        self.judge.set_unknown(dict.fromkeys(targets, names))
        touched = frozenset[str]()
        for target in targets:
            touched |= self.store.mark_failed(target, at_ms)
        self.judge.judge_metrics(touched, at_ms)

    def state(self, name: str = "Down") -> AlertState | None:
        found = [alert for alert in self.judge.alerts() if alert.name == name]
        assert len(found) < 2
        return found[0].state if found else None

    def alert(self, name: str = "Down") -> Alert:
        (found,) = (alert for alert in self.judge.alerts() if alert.name == name)
        return found

    def value(self, expr: str, at_ms: int) -> dict[str, float]:
        return {str(point.labels): point.value for point in compile_query(expr).at(self.store, at_ms)}


def rule_files(*texts: str) -> list[RuleFile]:
    return [load_rules(text.encode(), f"{number}.yml") for number, text in enumerate(texts)]


def group(*rules: str, name: str = "g", more: str = "") -> str:
    return f"groups:\n- name: {name}\n{more}  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


def down(for_: str = "0s", more: str = "") -> str:
    return group(f"{{alert: Down, expr: probe_success == 0, for: {for_}{more}}}")


def slots(bench: Bench, until_ms: int) -> Iterator[int]:
    """Walk from one due moment to the next, as the agent's loop does."""
    for _ in range(1000):
        due_ms = bench.judge.next_due_ms()
        assert due_ms is not None
        if due_ms > until_ms:
            return
        bench.judge.judge_due(due_ms)
        yield due_ms


def test_a_rule_is_judged_in_the_moment_its_metric_is_written() -> None:
    bench = Bench(down())
    assert bench.write(T0, 1) == []
    assert bench.write(T0 + S, 0) == ["Down its expression holds"]
    assert (bench.state(), bench.alert().fired_at_ms) == (FIRING, T0 + S)
    assert bench.write(T0 + 2 * S, 1) == ["Down its expression holds no longer"]
    assert bench.state() is RESOLVED


def test_only_rules_that_read_the_metric_are_judged() -> None:
    bench = Bench(
        group("{alert: A, expr: a > 0}", "{alert: B, expr: b > 0}", "{alert: C, expr: '{job=\"x\"} > 0'}")
    )
    bench.write(T0, 1, name="a")
    assert [rule.evaluations for rule in bench.judge.statuses()[0].rules] == [1, 0, 1]


def test_a_pending_alert_fires_exactly_when_its_time_is_over() -> None:
    bench = Bench(down("20s"), interval_s=300)
    bench.judge.judge_due(T0)
    bench.write(T0 + 1, 0)
    assert bench.state() is PENDING
    assert bench.judge.next_due_ms() == T0 + 1 + 20 * S
    assert bench.judge.judge_due(T0 + 20 * S) == ()
    (fired,) = bench.judge.judge_due(T0 + 1 + 20 * S)
    assert (bench.alert().fired_at_ms, fired.reason) == (T0 + 1 + 20 * S, "its expression has held for 20s")


def test_keep_firing_for_ends_exactly_when_its_time_is_over() -> None:
    bench = Bench(down(more=", keep_firing_for: 7s"), interval_s=300)
    bench.judge.judge_due(T0)
    bench.write(T0 + 1, 0)
    bench.write(T0 + 2, 1)
    assert bench.state() is FIRING
    assert bench.judge.next_due_ms() == T0 + 2 + 7 * S
    bench.judge.judge_due(T0 + 2 + 7 * S)
    assert bench.state() is RESOLVED


def test_a_group_has_its_own_slots_that_every_start_finds_again() -> None:
    def offsets(start_ms: int) -> list[int]:
        found = []
        for number in range(8):
            text = group("{record: x, expr: vector(1)}", name=f"g{number}", more="  interval: 1m\n")
            bench = Bench(text)
            bench.judge.judge_due(start_ms)
            times = list(slots(bench, start_ms + 200 * S))
            assert [after - before for before, after in pairwise(times)] == [60 * S] * (len(times) - 1)
            found.append(times[0] % (60 * S))
        return found

    assert offsets(T0) == offsets(T0 + 12_345)
    assert len(set(offsets(T0))) == 8


def test_a_slot_that_was_missed_is_counted_and_not_made_up_for() -> None:
    bench = Bench(group("{record: x, expr: vector(1)}", more="  interval: 10s\n"))
    bench.judge.judge_due(T0)
    bench.judge.judge_due(T0 + 35 * S)
    bench.judge.judge_due(T0 + 35 * S)
    (status,) = bench.judge.statuses()
    assert (status.iterations, status.interval_ms, status.evaluated_ms) == (2, 10 * S, T0 + 35 * S)
    assert status.missed in (2, 3)
    assert (bench.judge.next_due_ms() or 0) - (T0 + 35 * S) <= 10 * S


def test_later_rules_of_a_group_see_what_earlier_ones_recorded_at_the_same_moment() -> None:
    bench = Bench(
        group(
            "{record: 'job:up:sum', expr: sum by (job) (probe_success), labels: {team: x, service: ''}}",
            "{alert: Down, expr: 'job:up:sum{team=\"x\"} < 2'}",
        )
    )
    bench.write(T0, 1)
    assert bench.value("job:up:sum", T0) == {'job:up:sum{job="http", team="x"}': 1.0}
    assert bench.alert().labels is Labels.of(alertname="Down", job="http", team="x")
    bench.write(T0 + S, 1, OTHER)
    assert bench.state() is RESOLVED


def test_a_recording_rule_is_followed_at_once_even_into_an_earlier_group() -> None:
    reader = group("{alert: Down, expr: recorded > 0}", name="first")
    bench = Bench(reader, group("{record: recorded, expr: probe_success + 1}"))
    bench.write(T0, 1)
    assert bench.state() is FIRING


def test_a_recorded_series_that_is_gone_becomes_stale_at_once() -> None:
    bench = Bench(group("{record: bad, expr: probe_success == 0}"))
    bench.write(T0, 0)
    assert len(bench.value("bad", T0)) == 1
    bench.write(T0 + S, 1)
    assert bench.value("bad", T0 + S) == {}
    bench.write(T0 + 2 * S, 0)
    assert len(bench.value("bad", T0 + 2 * S)) == 1


def test_alerts_are_series_that_other_rules_can_read() -> None:
    more = ", labels: {severity: page}"
    bench = Bench(
        down("5s", more), group("{alert: Any, expr: 'count(ALERTS{alertstate=\"firing\"}) > 0'}", name="h")
    )
    bench.write(T0, 0)
    labels = 'alertname="Down", {}instance="http://a/", job="http", service="checkout", severity="page"'
    pending, firing = (labels.format(f'alertstate="{state}", ') for state in ("pending", "firing"))
    assert bench.value("ALERTS", T0) == {f"ALERTS{{{pending}}}": 1.0}
    assert bench.value("ALERTS_FOR_STATE", T0) == {f"ALERTS_FOR_STATE{{{labels.format('')}}}": T0 / 1000}
    bench.write(T0 + 5 * S, 0)
    assert bench.value('ALERTS{alertname="Down"}', T0 + 5 * S) == {f"ALERTS{{{firing}}}": 1.0}
    assert bench.state("Any") is FIRING
    bench.write(T0 + 6 * S, 1)
    assert bench.value('ALERTS{alertname="Down"}', T0 + 6 * S) == {}


def test_query_offset_looks_back_and_keeps_the_times_of_alerts() -> None:
    bench = Bench(group("{alert: Down, expr: probe_success == 0}", more="  query_offset: 10s\n"))
    bench.write(T0, 0)
    assert bench.state() is None
    bench.write(T0 + 10 * S, 1)
    assert bench.alert().fired_at_ms == T0 + 10 * S


def test_group_labels_lie_under_the_labels_of_the_rules() -> None:
    rule = "{alert: Down, expr: probe_success == 0, labels: {severity: '{{ $value }}'}}"
    bench = Bench(group(rule, more="  labels: {severity: info, team: '{{ $labels.service }}'}\n"))
    bench.write(T0, 0)
    assert bench.alert().labels is Labels.of(HTTP, alertname="Down", severity="0", team="checkout")


def test_an_alert_of_a_lost_target_stays_and_one_of_a_seen_target_resolves() -> None:
    bench = Bench(down())
    bench.write(T0, 0)
    bench.write(T0, 0, OTHER)
    bench.lose(T0 + S, HTTP)
    bench.write(T0 + 2 * S, 1, OTHER)
    lost, seen = sorted(bench.judge.alerts(), key=lambda alert: alert.labels["instance"])
    assert (lost.state, lost.unknown_since_ms) == (FIRING, T0 + S)
    assert (seen.state, seen.unknown_since_ms) == (RESOLVED, None)
    bench.judge.set_unknown({})
    bench.write(T0 + 3 * S, 1)
    assert {alert.state for alert in bench.judge.alerts()} == {RESOLVED}


@pytest.mark.parametrize(
    ("expr", "lost", "unknown"),
    [
        ("sum(probe_success) == 0", SUCCESS, True),
        ("sum by (instance) (probe_success) == 0", SUCCESS, True),
        ("sum by (service) (probe_success) == 0", SUCCESS, True),
        ("probe_success == 0", frozenset(), True),
        ("'{job=\"http\"} == 0'", SUCCESS, True),
        ("probe_success == 0", frozenset({"other_metric"}), False),
    ],
)
def test_an_alert_is_unknown_where_the_lost_target_could_have_brought_what_it_reads(
    expr: str, lost: frozenset[str], unknown: bool
) -> None:
    bench = Bench(group(f"{{alert: Down, expr: {expr}}}"))
    bench.write(T0, 0)
    bench.lose(T0 + S, HTTP, names=lost)
    assert (bench.alert().unknown_since_ms is not None, bench.state() is FIRING) == (unknown, unknown)


def test_an_alert_on_a_recording_of_a_lost_target_is_unknown_as_well() -> None:
    bench = Bench(group("{record: bad, expr: probe_success == 0}", "{alert: Down, expr: bad == 0}"))
    bench.write(T0, 0)
    bench.lose(T0 + S, HTTP)
    assert (bench.state(), bench.alert().unknown_since_ms) == (FIRING, T0 + S)


def test_that_a_probe_failed_is_itself_known() -> None:
    bench = Bench(group("{alert: ProbeUnknown, expr: up == 0}"))
    bench.judge.set_unknown({HTTP: frozenset()})
    bench.write(T0, 0, name="up")
    assert bench.state("ProbeUnknown") is FIRING
    bench.write(T0 + S, 1, name="up")
    assert bench.state("ProbeUnknown") is RESOLVED


def test_a_rule_that_cannot_be_evaluated_keeps_its_alerts_and_says_why() -> None:
    bench = Bench(group("{alert: Down, expr: probe_success == on (service) group_left () owner}"))
    owner = Labels.of(job="o", service="checkout")
    bench.write(T0, 1, owner, "owner")
    bench.write(T0, 1)
    assert bench.state() is FIRING
    bench.write(T0 + S, 1, owner.having({"team": "x"}), "owner")
    (status,) = bench.judge.statuses()[0].rules
    assert (bench.state(), bench.alert().unknown_since_ms) == (FIRING, T0 + S)
    assert (status.health, status.failures, status.evaluations) == ("err", 1, 3)
    assert status.error
    assert bench.value("ALERTS", T0 + S)


def test_a_recording_rule_that_fails_says_why_and_writes_nothing() -> None:
    twins = group("{record: r, expr: probe_success, labels: {instance: x, service: x}}", more="  limit: 1\n")
    bench = Bench(twins)
    bench.write(T0, 1)
    bench.write(T0, 1, OTHER)
    (status,) = bench.judge.statuses()[0].rules
    assert "the same labels" in status.error
    many = Bench(group("{record: r, expr: probe_success}", more="  limit: 1\n"))
    many.write(T0, 1)
    many.write(T0, 1, OTHER)
    assert many.judge.statuses()[0].rules[0].error == "exceeded limit of 1 with 2 series"
    assert len(many.value("r", T0)) == 1


def test_each_rule_tells_how_long_it_took_and_how_it_fares() -> None:
    bench = Bench(down())
    (fresh,) = bench.judge.statuses()[0].rules
    assert (fresh.health, fresh.evaluated_ms) == ("unknown", None)
    bench.write(T0, 0)
    (judged,) = bench.judge.statuses()[0].rules
    assert (judged.health, judged.evaluated_ms) == ("ok", T0)
    assert judged.duration_s >= 0.5
    assert [alert.state for alert in judged.alerts] == [FIRING]


def test_still_returns_looks_again_and_changes_nothing() -> None:
    bench = Bench(down(more=", labels: {severity: page}"))
    bench.write(T0, 0)
    alert = bench.alert()
    assert bench.judge.still_returns(alert, T0) is True
    bench.store.write(HTTP, T0 + S, [Sample(Labels.of({NAME: "probe_success"}), 1)])
    assert bench.judge.still_returns(alert, T0 + S) is False
    assert bench.state() is FIRING
    bench.judge.set_unknown({HTTP: SUCCESS})
    assert bench.judge.still_returns(alert, T0 + S) is None
    nobodys = Alert(Labels.of(alertname="Nobody"), {}, FIRING, 1, T0)
    assert bench.judge.still_returns(nobodys, T0) is None


def test_the_metrics_of_an_alert_are_those_of_its_rule_and_of_what_that_reads() -> None:
    bench = Bench(group("{record: bad, expr: probe_success == 0}", "{alert: Down, expr: bad unless m}"))
    bench.write(T0, 0)
    assert bench.judge.metrics_of(bench.alert()) == {"bad", "m", "probe_success"}
    assert bench.judge.metrics_of(Alert(Labels.of(alertname="Nobody"), {}, FIRING, 1, T0)) == frozenset()


def test_still_returns_is_unsure_where_the_rule_cannot_be_evaluated() -> None:
    bench = Bench(group("{alert: Down, expr: probe_success == on (service) group_left () owner}"))
    owner = Labels.of(job="o", service="checkout")
    bench.write(T0, 1, owner, "owner")
    bench.write(T0, 1)
    alert = bench.alert()
    bench.write(T0 + S, 1, owner.having({"team": "x"}), "owner")
    assert bench.judge.still_returns(alert, T0 + S) is None


def saved(state: AlertState, active_at_ms: int, target: Labels = HTTP, **more: int) -> Alert:
    labels = Labels.of(target, alertname="Down")
    fired = active_at_ms if state is not PENDING else None
    return Alert(labels, {}, state, 0.0, active_at_ms, fired, **more)


def test_a_firing_alert_goes_on_firing_over_a_restart_and_is_unknown_until_a_fresh_sample() -> None:
    bench = Bench(down())
    bench.judge.restore([saved(FIRING, T0)], seen_ms=T0 + S, now_ms=T0 + 60 * S)
    bench.judge.judge_due(T0 + 61 * S)
    assert (bench.state(), bench.alert().unknown_since_ms, bench.alert().fired_at_ms) == (
        FIRING,
        T0 + 60 * S,
        T0,
    )
    bench.write(T0 + 62 * S, 0)
    assert (bench.state(), bench.alert().unknown_since_ms, bench.alert().fired_at_ms) == (FIRING, None, T0)
    bench.write(T0 + 63 * S, 1)
    assert bench.state() is RESOLVED


def test_a_restored_alert_resolves_with_the_first_fresh_good_sample() -> None:
    bench = Bench(down())
    bench.judge.restore([saved(FIRING, T0)], seen_ms=T0 + S, now_ms=T0 + 60 * S)
    bench.write(T0 + 62 * S, 1)
    assert bench.state() is RESOLVED


def test_a_restored_alert_that_nothing_speaks_of_any_more_does_not_stay_for_ever() -> None:
    bench = Bench(down())
    bench.judge.restore([saved(FIRING, T0)], seen_ms=T0, now_ms=T0)
    bench.judge.judge_due(T0 + AWAITED_MAX_MS)
    assert bench.state() is FIRING
    bench.judge.judge_due(T0 + AWAITED_MAX_MS + 15 * S)
    assert bench.state() is RESOLVED


MINUTE = 60 * S
HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("for_", "pending_ms", "outage_ms", "active_after_ms"),
    [
        ("5m", 2 * MINUTE, MINUTE - 1, 0),
        ("5m", 2 * MINUTE, MINUTE, None),
        ("30m", 5 * MINUTE, 10 * MINUTE, 10 * MINUTE),
        ("30m", 25 * MINUTE, 10 * MINUTE, 25 * MINUTE + 10 * MINUTE + 10 * MINUTE - 30 * MINUTE),
        ("30m", 30 * MINUTE, 10 * MINUTE, 0),
        ("30m", 5 * MINUTE, HOUR, HOUR),
        ("30m", 5 * MINUTE, HOUR + 1, None),
    ],
)
def test_a_pending_alert_is_restored_as_prometheus_restores_it(
    for_: str, pending_ms: int, outage_ms: int, active_after_ms: int | None
) -> None:
    bench = Bench(down(for_))
    seen_ms = T0 + pending_ms
    bench.judge.restore([saved(PENDING, T0)], seen_ms=seen_ms, now_ms=seen_ms + outage_ms)
    if active_after_ms is None:
        assert bench.state() is None
        return
    assert (bench.state(), bench.alert().active_at_ms) == (PENDING, T0 + active_after_ms)
    bench.write(seen_ms + outage_ms + 1, 0)
    assert bench.alert().active_at_ms == T0 + active_after_ms


def test_a_resolved_alert_is_remembered_over_a_restart_as_long_as_any() -> None:
    bench = Bench(down())
    bench.judge.restore([saved(RESOLVED, T0, resolved_at_ms=T0 + S)], seen_ms=T0 + S, now_ms=T0 + 2 * S)
    assert (bench.state(), bench.alert().unknown_since_ms) == (RESOLVED, None)
    bench.judge.judge_due(T0 + 2 * S + RESOLVED_KEPT_MS)
    assert bench.state() is None


def test_an_alert_is_restored_to_the_rule_with_its_name_and_labels_only() -> None:
    rules = [
        f"{{alert: Down, expr: probe_success == 0, labels: {{severity: {severity}}}}}"
        for severity in ("a", "b")
    ]
    bench = Bench(group(*rules))
    stranger = Alert(Labels.of(alertname="Gone"), {}, FIRING, 1, T0, T0)
    mine = Alert(Labels.of(HTTP, alertname="Down", severity="b"), {}, FIRING, 1, T0, T0)
    bench.judge.restore([stranger, mine], seen_ms=T0, now_ms=T0)
    assert [len(rule.alerts) for rule in bench.judge.statuses()[0].rules] == [0, 1]


def test_reloading_keeps_the_alerts_of_rules_that_stay_and_resolves_those_that_go() -> None:
    other = "{alert: Other, expr: probe_success == 0}"
    bench = Bench(down(), group(other, "{record: r, expr: probe_success}", name="h"))
    bench.write(T0, 0)
    kept = bench.alert()
    changes = bench.judge.reload(rule_files(down("1m", ", annotations: {summary: new}")), T0 + S)
    assert [(c.alert.name, c.alert.state, c.reason) for c in changes] == [
        ("Other", RESOLVED, "its rule was removed")
    ]
    assert bench.alert() is kept
    assert bench.state("Other") is RESOLVED
    assert bench.value("r", T0 + S) == {}
    assert bench.value('ALERTS{alertname="Other"}', T0 + S) == {}
    bench.write(T0 + 2 * S, 0)
    assert (bench.state(), dict(bench.alert().annotations)) == (FIRING, {"summary": "new"})
    bench.judge.judge_due(T0 + 2 * S + RESOLVED_KEPT_MS)
    assert bench.state("Other") is None


def test_a_rule_that_moves_to_another_group_takes_its_alerts_along() -> None:
    rule = "{alert: Down, expr: probe_success == 0}"
    bench = Bench(group(rule, name="old"))
    bench.write(T0, 0)
    assert bench.judge.reload(rule_files(group(name="x"), group(rule, name="new")), T0 + S) == ()
    assert bench.alert().fired_at_ms == T0


def test_a_removed_rule_takes_its_pending_alerts_with_it() -> None:
    bench = Bench(down("1m"))
    bench.write(T0, 0)
    (change,) = bench.judge.reload(rule_files(), T0 + S)
    assert (change.after, bench.judge.alerts(), bench.judge.next_due_ms()) == (None, (), None)


def test_reloading_the_same_files_keeps_the_slots() -> None:
    bench = Bench(down())
    bench.judge.judge_due(T0)
    due_ms = bench.judge.next_due_ms()
    bench.judge.reload(rule_files(down()), T0 + 1)
    assert bench.judge.next_due_ms() == due_ms


def test_two_rules_that_make_the_same_alert_count_once_with_the_worse_state() -> None:
    bench = Bench(
        group("{alert: Down, expr: probe_success == 0, for: 1m}", "{alert: Down, expr: probe_success < 1}")
    )
    bench.write(T0, 0)
    assert bench.state() is FIRING


def test_the_way_from_a_metric_to_its_rules_is_found_once_and_bounded() -> None:
    bench = Bench(
        group("{record: a, expr: b + probe_success}", "{record: b, expr: a}", "{alert: Down, expr: b == 0}")
    )
    bench.write(T0, 0)
    for number in range(3000):
        bench.judge.judge_metrics(frozenset({f"m{number}"}), T0 + S)
    assert [rule.evaluations for rule in bench.judge.statuses()[0].rules] == [1, 1, 1]


def test_nothing_is_due_again_and_again_while_a_pending_alert_is_unknown() -> None:
    bench = Bench(down("20s"), interval_s=300)
    bench.judge.judge_due(T0)
    bench.write(T0, 0)
    bench.lose(T0 + S, HTTP)
    bench.judge.judge_due(T0 + 30 * S)
    assert bench.state() is PENDING
    assert (bench.judge.next_due_ms() or 0) > T0 + 30 * S
