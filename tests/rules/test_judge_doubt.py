"""The judge and what the agent doubts: nothing begins to fire on it."""

from __future__ import annotations

from model.alert import AlertState
from tests.rules.test_judge import HTTP, OTHER, SUCCESS, T0, Bench, S, down, group

PENDING, FIRING = AlertState.PENDING, AlertState.FIRING


def test_what_is_doubted_does_not_fire_until_it_was_seen_well() -> None:
    bench = Bench(down())
    bench.judge.set_doubts({"the machine slept": {HTTP: SUCCESS}})
    bench.write(T0, 0)
    assert bench.state() is PENDING
    bench.write(T0, 0, OTHER)
    assert {alert.labels.get("instance") for alert in bench.judge.alerts() if alert.state is FIRING} == {
        OTHER.get("instance")
    }
    bench.judge.set_doubts({})
    bench.write(T0 + S, 0)
    assert all(alert.state is FIRING for alert in bench.judge.alerts())


def test_a_rule_that_reads_nothing_of_the_doubted_target_fires_as_ever() -> None:
    bench = Bench(group("{alert: Watchdog, expr: vector(1)}"))
    bench.judge.set_doubts({"the machine slept": {HTTP: SUCCESS}})
    bench.judge.judge_due(T0)
    assert bench.state("Watchdog") is FIRING
