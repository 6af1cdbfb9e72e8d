"""The measurement beside Alertmanager, in miniature: each system understands what it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.alertmanager import report
from bench.alertmanager.__main__ import losses, speeds, storms
from bench.alertmanager.loss import Loss
from bench.alertmanager.speed import Speed, alert, stamp

needs_alertmanager = pytest.mark.needs("prometheus-alertmanager")


@needs_alertmanager
def test_ours_loses_nothing_where_alertmanager_does(tmp_path: Path) -> None:
    ours, theirs = losses(tmp_path, silences=3, alerts=2, nodes=1, wait_s=0.2)
    assert (ours.silences_lost, ours.alerts_lost) == (0, 0)
    assert theirs.silences_lost == 3
    assert theirs.alerts_lost == 2


@needs_alertmanager
def test_what_an_alert_costs_is_measured_for_both(tmp_path: Path) -> None:
    found = speeds(tmp_path, {1: 20, 10: 200}, 1)
    for each in found.values():
        assert [(one.size, one.repeated) for one in each] == [(1, False), (1, True), (10, False), (10, True)]
        assert all(one.per_cpu_s > 0 for one in each)
    assert "10, sent again" in report.speeds(found)


@needs_alertmanager
def test_a_storm_loses_nothing_of_ours_and_says_little(tmp_path: Path) -> None:
    *ours, theirs = storms(tmp_path, 200, 0, flaps=2, flap_s=0.2, wait_s=0.2)
    assert [one.spread for one in ours] == [60, 1, 0]
    for one in ours:
        assert one.lost == 0
        assert one.messages_most <= 2
        assert one.flap_messages_most <= 6
    assert theirs.alerts == 200
    assert "lost after a kill: 0" in report.storms(ours)
    assert "200 alerts of no service" in report.storms(ours)


def test_the_tables_name_what_was_compared() -> None:
    said = report.lost([Loss("Alertmanager, 3 nodes", "one killed", 0, 1, 2, 3)], 50, 20)
    assert "lost of 50 silences, 20 alerts and 20 notifications" in said
    assert "Alertmanager, 3 nodes one killed" in said
    found = {"ours": [Speed(1, False, 3000.0, 2000.0)], "theirs": [Speed(1, False, 1500.0, 1000.0)]}
    assert "3,000 (2,000)" in report.speeds(found)
    assert report.speeds(found).endswith("2.00")


def test_an_alert_is_one_that_prometheus_could_send() -> None:
    one = alert("x", 1, starts_s=0, ends_s=60, service="s1")
    assert json.loads(json.dumps(one))["labels"]["service"] == "s1"
    assert one["endsAt"] == stamp(60) == "1970-01-01T00:01:00Z"
