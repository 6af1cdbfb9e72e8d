"""Alerts are taken as Alertmanager takes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.intake.alerts import ALERTS_MAX, BODY_BYTES_MAX, RESOLVE_TIMEOUT_MS, Refused, moment_ms, read_alerts
from desk.intake.merging import merge
from tests.desk import town
from tests.desk.town import NOW_MS

Tree = dict[str, object]


def body(*alerts: Tree) -> bytes:
    return json.dumps(alerts).encode()


def alert(**more: object) -> Tree:
    return {"labels": {"alertname": "X"}, **more}


def test_missing_times_are_completed() -> None:
    [one] = read_alerts(body(alert()), NOW_MS).signals
    assert (one.starts_ms, one.ends_ms, one.guessed) == (NOW_MS, NOW_MS + RESOLVE_TIMEOUT_MS, True)
    [over] = read_alerts(body(alert(endsAt="2026-07-14T03:00:00Z")), NOW_MS).signals
    assert over.starts_ms == over.ends_ms
    assert over.over


def test_the_zero_time_counts_as_missing() -> None:
    [one] = read_alerts(body(alert(endsAt="0001-01-01T00:00:00Z")), NOW_MS).signals
    assert one.guessed


def test_sound_alerts_are_taken_beside_bad_ones() -> None:
    bad = alert(startsAt="2026-07-14T03:00:00Z", endsAt="2026-07-14T02:00:00Z")
    taken = read_alerts(body({"labels": {}}, alert(), bad, {"labels": {"a": ""}}), NOW_MS)
    assert len(taken.signals) == 1
    assert taken.problems == (
        "at least one label pair required",
        "start time must be before end time",
        "at least one label pair required",
    )


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123),
        ("1970-01-01T02:00:00.5+01:30", 1_800_500),
        ("1969-12-31T23:00:00-02:00", 3_600_000),
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ("2026-13-01T00:00:00Z", None),
        ("2026-01-01T00:00:00", None),
        ("2026-01-01", None),
        ("now", None),
        ("2026-01-01T00:00:00+99:00", None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_times_are_read_to_the_millisecond(text: str, at_ms: int | None) -> None:
    assert moment_ms(text) == at_ms


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"{}", 400),
        (b"[" * 100_000, 400),
        (b'[{"labels":{"a":NaN}}]', 400),
        (b'[{"labels":{"a":"\xff"}}]', 400),
        (b'[{"labels":{"a":"\\ud800"}}]', 400),
        (b'[{"x":' + b"[" * 5_000 + b"]" * 5_000 + b',"labels":{"a":"b"}}]', 400),
        (b" " * (BODY_BYTES_MAX + 1), 413),
        (b"[" + b",".join([b'{"labels":{"a":"b"}}'] * (ALERTS_MAX + 1)) + b"]", 413),
    ],
)
def test_what_is_not_a_list_of_alerts_is_refused_as_a_whole(data: bytes, status: int) -> None:
    with pytest.raises(Refused) as fact:
        read_alerts(data, NOW_MS)
    assert fact.value.status == status


def test_labels_have_limits_and_names() -> None:
    many: Tree = {"labels": {f"l{n}": "v" for n in range(65)}}
    long: Tree = {"labels": {"a": "ä" * 2_049}}
    odd: Tree = {"labels": {"a b": "v"}}
    taken = read_alerts(body(many, long, odd, alert(startsAt="x")), NOW_MS)
    assert taken.signals == ()
    assert len(taken.problems) == 4


def test_a_start_in_the_future_is_now() -> None:
    [one] = read_alerts(
        body(alert(startsAt="2030-01-01T00:00:00Z", endsAt="2031-01-01T00:00:00Z")), NOW_MS
    ).signals
    assert one.starts_ms == NOW_MS


def test_the_same_alert_many_times_in_one_body_is_one_alert() -> None:
    assert len(read_alerts(body(*[alert()] * 1_000), NOW_MS).signals) == 1


def test_the_earliest_start_and_the_newest_words_hold() -> None:
    old = town.signal(annotations={"summary": "old"})
    new = town.signal(at_ms=NOW_MS + 60_000, annotations={})
    merged = merge(old, new, NOW_MS + 60_000)
    assert (merged.starts_ms, merged.annotations) == (NOW_MS, {})


def test_an_end_that_is_reported_wins_over_firing() -> None:
    old = town.signal()
    merged = merge(old, town.ended(old, NOW_MS + 5_000), NOW_MS + 5_000)
    assert merged.over
    assert merged.ends_ms == NOW_MS + 5_000


def test_an_end_that_was_named_outlasts_an_earlier_one_and_a_guess_does_not() -> None:
    named = town.signal(lasts_ms=600_000)
    later = town.signal(at_ms=NOW_MS + 1_000, lasts_ms=300_000)
    assert merge(named, later, NOW_MS + 1_000).ends_ms == NOW_MS + 600_000
    [guess] = read_alerts(body(alert()), NOW_MS).signals
    [sooner] = read_alerts(body(alert(endsAt="2026-07-14T03:33:30Z")), NOW_MS + 1_000).signals
    assert merge(guess, sooner, NOW_MS + 1_000).ends_ms == sooner.ends_ms


def test_a_later_episode_replaces_an_ended_one() -> None:
    old = town.ended(town.signal(), NOW_MS + 5_000)
    new = town.signal(at_ms=NOW_MS + 9_000)
    assert merge(old, new, NOW_MS + 9_000) == new


@given(st.integers(0, 600_000), st.integers(1, 600_000), st.booleans())
def test_merging_a_report_twice_is_merging_it_once(later_ms: int, lasts_ms: int, over: bool) -> None:
    old = town.signal()
    now_ms = NOW_MS + later_ms
    new = town.ended(old, now_ms) if over else town.signal(at_ms=now_ms, lasts_ms=lasts_ms)
    once = merge(old, new, now_ms)
    assert merge(once, new, now_ms) == once
