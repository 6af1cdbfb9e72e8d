from __future__ import annotations

import pytest

from model.alert import Alert, AlertState
from model.labels import Labels
from model.misfit import Rejected
from rules.backtest import Episode, figures, hindsight, read_incidents

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def episode(first: float, last: float | None, **labels: str) -> Episode:
    """Return an episode from one minute to another."""
    named = Labels.of({"alertname": "A", **labels})
    fired_ms = round(first * MINUTE_MS)
    alert = Alert(named, {}, AlertState.FIRING, 1.0, fired_ms, fired_ms)
    return Episode(alert, fired_ms, fired_ms, None if last is None else round(last * MINUTE_MS))


def test_lengths_are_told_by_their_median_and_by_the_nearest_rank_of_95() -> None:
    numbers = figures([episode(100 * n, 100 * n + n) for n in range(1, 21)], 0, 100 * HOUR_MS)
    assert (numbers.episodes, numbers.median_ms, numbers.most_ms) == (20, 10.5 * MINUTE_MS, 19 * MINUTE_MS)


def test_without_an_episode_there_is_no_length() -> None:
    numbers = figures([], 0, HOUR_MS)
    assert (numbers.median_ms, numbers.most_ms, numbers.firing_share) == (None, None, 0.0)


def test_a_flap_begins_within_15_minutes_of_the_end_of_the_same_alert() -> None:
    each = [episode(0, 10), episode(25, 30), episode(46, 50), episode(51, 52, disk="b")]
    numbers = figures(each, 0, 24 * HOUR_MS)
    assert (numbers.flaps, numbers.flaps_per_day) == (1, 1.0)


def test_time_that_two_episodes_share_is_counted_once() -> None:
    each = [episode(0, 30), episode(10, 20, disk="b"), episode(20, 45, disk="c")]
    assert figures(each, 0, HOUR_MS).firing_share == 0.75


def test_what_still_fires_counts_up_to_the_end() -> None:
    numbers = figures([episode(45, None)], 0, HOUR_MS)
    assert (numbers.median_ms, numbers.firing_share) == (15 * MINUTE_MS, 0.25)


def read(text: str) -> str:
    with pytest.raises(Rejected) as refused:
        read_incidents(text.encode(), "known.csv")
    return str(refused.value)


def test_incidents_are_read_with_and_without_a_heading() -> None:
    plain = read_incidents(b"60,120\n", "known.csv")
    headed = read_incidents(
        b"start,end,alerts\n1970-01-01T00:01:00Z,1970-01-01T00:02:00+00:00,\n", "known.csv"
    )
    assert plain == headed
    assert (plain[0].start_ms, plain[0].end_ms, plain[0].alerts) == (60_000, 120_000, None)


def test_an_incident_may_name_its_alert_or_matchers() -> None:
    text = b'0,60,A\n0,60,"service=""shop"", severity=~""a|b"""\n'
    by_name, by_matchers = read_incidents(text, "known.csv")
    assert str(by_name.alerts) == 'alertname="A"'
    assert str(by_matchers.alerts) == 'service="shop", severity=~"a|b"'


def test_every_mistake_of_a_file_of_incidents_is_named_with_its_line() -> None:
    said = read('start,end\n1,2,3,4\nyesterday,2\n20,10\n0,60,a="b\n')
    assert "known.csv:2:1: expected 2 or 3 columns, got 4" in said
    assert "known.csv:3:1: 'yesterday' is not a time" in said
    assert "known.csv:4:1: the incident ends before it begins" in said
    assert "known.csv" in read('0,60,"a=')
    assert "known.csv" in read("0,60,a=~(\n")
    with pytest.raises(Rejected):
        read_incidents(b"\xff\xfe", "known.csv")


def test_precision_recall_and_lead_are_those_of_the_page() -> None:
    known = read_incidents(b"6000,9000\n30000,33000\n60000,61000\n", "known.csv")
    each = [
        episode(95, 110),  # five minutes before the first incident
        episode(120, 130),  # in the first incident
        episode(502, 510),  # two minutes into the second one
        episode(800, 810),  # nobody knows of it
    ]
    seen = hindsight(each, known, 2000 * MINUTE_MS)
    assert (seen.precision, seen.recall) == (0.75, 2 / 3)
    assert seen.leads_ms == (5 * MINUTE_MS, -2 * MINUTE_MS)
    assert seen.lead_ms == 1.5 * MINUTE_MS
    assert seen.missed == (known[2],)


def test_an_early_warning_counts_for_an_hour() -> None:
    known = read_incidents(b"7200,7300\n", "known.csv")
    assert hindsight([episode(61, 62)], known, 8 * HOUR_MS).recall == 1.0
    assert hindsight([episode(50, 59)], known, 8 * HOUR_MS).recall == 0.0
    assert hindsight([episode(1, None)], known, 8 * HOUR_MS).recall == 1.0


def test_another_alert_does_not_speak_of_an_incident() -> None:
    known = read_incidents(b"0,6000,B\n", "known.csv")
    seen = hindsight([episode(1, 2)], known, HOUR_MS)
    assert (seen.precision, seen.recall) == (0.0, 0.0)
    assert hindsight([], known, HOUR_MS).precision is None
