"""Alerts live as Prometheus lets them live, and what cannot be seen is neither healthy nor resolved."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.alert import Alert, AlertState
from model.duration import Duration
from model.labels import Labels
from rules.file import AlertingRule, Expression, Name, Templates
from rules.lifecycle import RESOLVED_KEPT_MS, Alerts, Evaluation, Sight, advance, due_ms, fail
from rules.template.template import Template
from rules.template.value import View

S = 1000
NO_ALERTS: Alerts = MappingProxyType({})
PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED


def rule(
    for_s: int = 0, keep_s: int = 0, labels: dict[str, str] | None = None, **annotations: str
) -> AlertingRule:
    return AlertingRule(
        Name("Down"),
        Expression.parse("probe_success == 0"),
        Duration(for_s * S),
        Duration(keep_s * S),
        Templates(tuple((name, Template.parse(text)) for name, text in (labels or {}).items())),
        Templates(tuple((name, Template.parse(text)) for name, text in annotations.items())),
    )


def point(value: float = 0.0, **labels: str) -> View:
    return View(Labels.of(labels or {"instance": "web1"}, __name__="probe_success"), value)


seen = Sight(lambda labels: False)
unseen = Sight(lambda labels: True)
doubted = Sight(lambda labels: False, lambda labels: "the machine slept")


def hiding(hosts: set[str]) -> Sight:
    return Sight(lambda labels: labels.get("instance") in hosts)


def only(evaluation: Evaluation) -> Alert:
    (alert,) = evaluation.alerts.values()
    return alert


def states(evaluation: Evaluation) -> list[AlertState]:
    return [alert.state for alert in evaluation.alerts.values()]


def test_an_alert_without_for_fires_in_the_evaluation_that_finds_it() -> None:
    first = advance(rule(), NO_ALERTS, [point()], 5 * S, seen)
    assert only(first).state is FIRING
    assert (only(first).active_at_ms, only(first).fired_at_ms) == (5 * S, 5 * S)
    (change,) = first.transitions
    assert (change.before, change.after, change.reason) == (None, only(first), "its expression holds")


def test_an_alert_waits_for_its_for_and_fires_exactly_then() -> None:
    down = rule(for_s=20)
    first = advance(down, NO_ALERTS, [point()], 0, seen)
    assert only(first).state is PENDING
    assert due_ms(down, only(first)) == 20 * S
    almost = advance(down, first.alerts, [point()], 20 * S - 1, seen)
    assert (states(almost), almost.transitions) == ([PENDING], ())
    fired = advance(down, almost.alerts, [point()], 20 * S, seen)
    assert (only(fired).state, only(fired).fired_at_ms, only(fired).active_at_ms) == (FIRING, 20 * S, 0)
    assert fired.transitions[0].reason == "its expression has held for 20s"
    assert due_ms(down, only(fired)) is None


def test_a_pending_alert_that_goes_away_leaves_nothing_behind() -> None:
    down = rule(for_s=20)
    first = advance(down, NO_ALERTS, [point()], 0, seen)
    gone = advance(down, first.alerts, [], 10 * S, seen)
    assert not gone.alerts
    (change,) = gone.transitions
    assert (change.after, change.alert, change.reason) == (
        None,
        only(first),
        "its expression did not hold for 20s",
    )


def test_a_resolved_alert_is_kept_for_fifteen_minutes() -> None:
    fired = advance(rule(), NO_ALERTS, [point()], 0, seen)
    resolved = advance(rule(), fired.alerts, [], 10 * S, seen)
    assert (only(resolved).state, only(resolved).resolved_at_ms) == (RESOLVED, 10 * S)
    assert resolved.transitions[0].reason == "its expression holds no longer"
    kept = advance(rule(), resolved.alerts, [], 10 * S + RESOLVED_KEPT_MS, seen)
    assert states(kept) == [RESOLVED]
    assert not advance(rule(), kept.alerts, [], 10 * S + RESOLVED_KEPT_MS + 1, seen).alerts


def test_a_resolved_alert_that_comes_back_starts_anew() -> None:
    down = rule(for_s=10)
    pending = advance(down, NO_ALERTS, [point()], 0, seen)
    fired = advance(down, pending.alerts, [point()], 10 * S, seen)
    resolved = advance(down, fired.alerts, [], 20 * S, seen)
    again = advance(down, resolved.alerts, [point()], 30 * S, seen)
    assert (only(again).state, only(again).active_at_ms, only(again).resolved_at_ms) == (
        PENDING,
        30 * S,
        None,
    )


def test_value_and_annotations_are_refreshed_and_labels_stay() -> None:
    down = rule(labels={"severity": "page"}, summary="{{ $labels.instance }} is {{ $value }}")
    first = advance(down, NO_ALERTS, [point(1.5)], 0, seen)
    second = advance(down, first.alerts, [point(2.5)], S, seen)
    assert dict(only(first).annotations) == {"summary": "web1 is 1.5"}
    assert dict(only(second).annotations) == {"summary": "web1 is 2.5"}
    assert only(second).value == 2.5
    assert (
        only(second).labels
        is only(first).labels
        is Labels.of(alertname="Down", severity="page", instance="web1")
    )
    assert second.transitions == ()


def test_the_metric_name_is_seen_by_templates_but_is_no_label_of_the_alert() -> None:
    named = rule(labels={"metric": "{{ $labels.__name__ }}", "job": ""})
    alert = only(advance(named, NO_ALERTS, [point(instance="a", job="x")], 0, seen))
    assert alert.labels is Labels.of(alertname="Down", metric="probe_success", instance="a")


def test_a_rules_alertname_label_never_wins_over_its_name() -> None:
    assert only(advance(rule(labels={"alertname": "X"}), NO_ALERTS, [point()], 0, seen)).name == "Down"


def test_keep_firing_for_holds_an_alert_from_its_first_absence() -> None:
    down = rule(keep_s=30)
    fired = advance(down, NO_ALERTS, [point()], 0, seen)
    held = advance(down, fired.alerts, [], 10 * S, seen)
    assert (only(held).state, only(held).keep_firing_since_ms) == (FIRING, 10 * S)
    assert "kept firing for 30s" in held.transitions[0].reason
    assert due_ms(down, only(held)) == 40 * S
    still = advance(down, held.alerts, [], 40 * S - 1, seen)
    assert (states(still), still.transitions) == ([FIRING], ())
    assert states(advance(down, still.alerts, [], 40 * S, seen)) == [RESOLVED]
    back = advance(down, still.alerts, [point()], 39 * S, seen)
    assert (only(back).state, only(back).keep_firing_since_ms) == (FIRING, None)


def test_two_results_with_the_same_final_labels_are_an_error_that_resolves_nothing() -> None:
    merged = rule(labels={"instance": "all"})
    fired = advance(merged, NO_ALERTS, [point(instance="a")], 0, seen)
    wrong = advance(merged, fired.alerts, [point(instance="a"), point(instance="b")], S, seen)
    assert "the same labels" in wrong.error
    assert (only(wrong).state, only(wrong).unknown_since_ms) == (FIRING, S)


def test_more_alerts_than_the_limit_clear_the_rule_and_say_so() -> None:
    two = [point(instance="a"), point(instance="b")]
    fired = advance(rule(), NO_ALERTS, two, 0, seen, limit=2)
    assert states(fired) == [FIRING, FIRING]
    over = advance(rule(), fired.alerts, [*two, point(instance="c")], S, seen, limit=2)
    assert over.error == "exceeded limit of 2 with 3 alerts"
    assert not over.alerts
    assert [change.after for change in over.transitions] == [None, None]


def test_an_alert_whose_target_cannot_be_seen_keeps_its_state_and_says_since_when() -> None:
    down = rule(for_s=10, keep_s=10)
    pending = advance(down, NO_ALERTS, [point()], 0, seen)
    lost = advance(down, pending.alerts, [], 5 * S, unseen)
    assert (only(lost).state, only(lost).unknown_since_ms) == (PENDING, 5 * S)
    assert lost.transitions[0].reason == "its target cannot be seen"
    assert due_ms(down, only(lost)) is None
    later = advance(down, lost.alerts, [], 500 * S, unseen)
    assert (only(later).state, only(later).unknown_since_ms, later.transitions) == (PENDING, 5 * S, ())
    fired = advance(down, later.alerts, [point()], 501 * S, seen)
    assert (only(fired).state, only(fired).unknown_since_ms) == (FIRING, None)
    lost_again = advance(down, fired.alerts, [], 502 * S, unseen)
    assert (only(lost_again).state, only(lost_again).unknown_since_ms) == (FIRING, 502 * S)
    seen_again = advance(down, lost_again.alerts, [point()], 503 * S, seen)
    assert seen_again.transitions[0].reason == "it can be seen again"


def test_an_alert_seen_again_and_gone_is_resolved_and_no_longer_unknown() -> None:
    lost = advance(rule(), advance(rule(), NO_ALERTS, [point()], 0, seen).alerts, [], S, unseen)
    resolved = only(advance(rule(), lost.alerts, [], 2 * S, seen))
    assert (resolved.state, resolved.resolved_at_ms, resolved.unknown_since_ms) == (RESOLVED, 2 * S, None)


def test_a_failed_evaluation_keeps_every_alert_and_marks_it_unknown() -> None:
    fired = advance(rule(), NO_ALERTS, [point()], 0, seen)
    failed = fail(fired.alerts, S, "no room")
    assert (only(failed).state, only(failed).unknown_since_ms, failed.error) == (FIRING, S, "no room")
    assert failed.transitions[0].reason == "its rule could not be judged: no room"
    assert fail(failed.alerts, 2 * S, "no room").transitions == ()


def test_a_failed_evaluation_still_forgets_what_was_resolved_long_ago() -> None:
    fired = advance(rule(), NO_ALERTS, [point()], 0, seen)
    resolved = advance(rule(), fired.alerts, [], S, seen)
    assert states(fail(resolved.alerts, 2 * S, "x")) == [RESOLVED]
    assert only(fail(resolved.alerts, 2 * S, "x")).unknown_since_ms is None
    assert not fail(resolved.alerts, 2 * S + RESOLVED_KEPT_MS, "x").alerts


HOSTS = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 400 * S),
        st.sets(st.sampled_from(HOSTS)),
        st.sets(st.sampled_from(HOSTS)),
        st.booleans(),
    ),
    max_size=25,
)
RULES = st.builds(rule, for_s=st.sampled_from([0, 10, 60, 600]), keep_s=st.sampled_from([0, 30, 300]))


@pytest.mark.parametrize("limit", [0, 2])
@given(down=RULES, steps=STEPS)
def test_whatever_happens_the_promises_of_the_lifecycle_hold(
    limit: int, down: AlertingRule, steps: list[tuple[int, set[str], set[str], bool]]
) -> None:
    now_ms, alerts = 0, NO_ALERTS
    for wait_ms, found, hidden, broken in steps:
        now_ms += wait_ms
        result = (
            fail(alerts, now_ms, "broken")
            if broken
            else advance(
                down,
                alerts,
                [point(instance=host) for host in sorted(found)],
                now_ms,
                hiding(hidden),
                limit,
            )
        )
        for labels, alert in result.alerts.items():
            assert labels is alert.labels
            _holds(down, alert, now_ms)
            old = alerts.get(labels)
            assert old is not None or (labels.get("instance") in found and not broken)
            if old is not None and old.state is FIRING and alert.state is RESOLVED:
                assert not broken
                assert labels.get("instance") not in found | hidden
            if alert.unknown_since_ms is not None and old is not None:
                assert alert.state is old.state
        for labels, old in alerts.items():
            if old.state is not RESOLVED and (broken or labels.get("instance") in hidden - found):
                assert labels in result.alerts or "exceeded" in result.error
        active = sum(alert.state is not RESOLVED for alert in result.alerts.values())
        assert broken or limit == 0 or active <= limit
        for change in result.transitions:
            assert change.reason
            assert change.before != change.after
        alerts = result.alerts


def _holds(down: AlertingRule, alert: Alert, now_ms: int) -> None:
    """What is true of every alert at every time."""
    assert alert.active_at_ms <= now_ms
    if alert.state is PENDING:
        assert alert.fired_at_ms is None
        assert alert.unknown_since_ms is not None or now_ms - alert.active_at_ms < down.for_.ms
    else:
        assert alert.fired_at_ms is not None
        assert alert.fired_at_ms - alert.active_at_ms >= down.for_.ms
    if alert.state is RESOLVED:
        assert alert.resolved_at_ms is not None
        assert alert.fired_at_ms is not None
        assert alert.fired_at_ms <= alert.resolved_at_ms <= now_ms <= alert.resolved_at_ms + RESOLVED_KEPT_MS
        assert alert.unknown_since_ms is None
    else:
        assert alert.resolved_at_ms is None
    if alert.keep_firing_since_ms is not None and alert.unknown_since_ms is None and alert.state is FIRING:
        assert now_ms - alert.keep_firing_since_ms < down.keep_firing_for.ms


def test_nothing_begins_to_fire_on_what_is_doubted() -> None:
    first = advance(rule(), NO_ALERTS, [point()], 5 * S, doubted)
    assert states(first) == [PENDING]
    assert first.transitions[0].reason == "its expression holds, but the machine slept"
    later = advance(rule(), first.alerts, [point()], 500 * S, doubted)
    assert states(later) == [PENDING]
    assert later.transitions == ()
    assert due_ms(rule(), only(later)) is None


def test_after_a_doubt_the_time_that_an_alert_must_hold_begins_anew() -> None:
    down = rule(for_s=20)
    first = advance(down, NO_ALERTS, [point()], 0, seen)
    slept = advance(down, first.alerts, [point()], 3600 * S, doubted)
    woke = advance(down, slept.alerts, [point()], 3610 * S, seen)
    assert states(woke) == [PENDING]
    assert only(woke).unknown_since_ms is None
    assert states(advance(down, woke.alerts, [point()], 3620 * S, seen)) == [FIRING]


def test_what_fires_goes_on_firing_and_is_not_resolved_while_it_is_doubted() -> None:
    fired = advance(rule(), NO_ALERTS, [point()], 0, seen)
    assert states(advance(rule(), fired.alerts, [point()], 10 * S, doubted)) == [FIRING]
    lost = advance(rule(), fired.alerts, [], 10 * S, doubted)
    assert states(lost) == [FIRING]
    assert only(lost).unknown_since_ms == 10 * S
    assert lost.transitions[0].reason == "the machine slept"
