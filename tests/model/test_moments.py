"""Moments in local time, above all on the two days of a year on which the clock is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.moments import Moments, comes, next_ms
from model.zone import UTC_ZONE, Zone

BERLIN = Zone("Europe/Berlin")


def ms(text: str) -> int:
    """Return a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def following(moments: Moments, zone: Zone, after: str, count: int) -> list[str]:
    """Return the next moments, in UTC."""
    found, at_ms = [], ms(after)
    for _ in range(count):
        later_ms = next_ms(moments, zone, at_ms)
        if later_ms is None:
            break
        assert later_ms > at_ms
        at_ms = later_ms
        found.append(datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M:%S"))
    return found


def daily(hour: int, minute: int, *, made_up: bool = True) -> Moments:
    return Moments((minute,), (hour,), made_up=made_up)


HOURLY = Moments((30,), tuple(range(24)), rolling=True)


def test_a_moment_is_after_and_never_at_the_time_asked_of() -> None:
    assert following(daily(3, 0), UTC_ZONE, "2026-05-01T02:59:59.999", 2) == [
        "05-01 03:00:00",
        "05-02 03:00:00",
    ]
    assert following(daily(3, 0), UTC_ZONE, "2026-05-01T03:00:00", 1) == ["05-02 03:00:00"]


def test_a_job_whose_hour_is_skipped_comes_once_right_after_the_jump() -> None:
    # On 29 March 2026 the clock of Berlin jumps from 02:00 to 03:00, at 01:00 UTC.
    assert following(daily(2, 30), BERLIN, "2026-03-28T00:00", 3) == [
        "03-28 01:30:00", "03-29 01:00:00", "03-30 00:30:00"
    ]  # fmt: skip  # the moments on one line


def test_a_moment_that_is_not_made_up_is_left_out_where_its_hour_is_skipped() -> None:
    assert following(daily(2, 30, made_up=False), BERLIN, "2026-03-28T00:00", 2) == [
        "03-28 01:30:00", "03-30 00:30:00"
    ]  # fmt: skip  # the moments on one line


def test_a_job_whose_hour_comes_twice_comes_once() -> None:
    # On 25 October 2026 the clock of Berlin goes back from 03:00 to 02:00, at 01:00 UTC.
    assert following(daily(2, 30), BERLIN, "2026-10-24T00:00", 3) == [
        "10-24 00:30:00", "10-25 00:30:00", "10-26 01:30:00"
    ]  # fmt: skip  # the moments on one line
    assert following(daily(2, 30), BERLIN, "2026-10-25T01:00", 1) == ["10-26 01:30:00"]


def test_rolling_moments_follow_the_clock() -> None:
    assert following(HOURLY, BERLIN, "2026-03-28T23:45", 3) == [
        "03-29 00:30:00", "03-29 01:30:00", "03-29 02:30:00"
    ]  # fmt: skip  # the moments on one line
    assert following(HOURLY, BERLIN, "2026-10-24T23:45", 4) == [
        "10-25 00:30:00", "10-25 01:30:00", "10-25 02:30:00", "10-25 03:30:00"
    ]  # fmt: skip  # the moments on one line


@pytest.mark.parametrize("minutes", [(0,), (10, 50), tuple(range(0, 60, 7))])
def test_rolling_moments_are_never_more_than_their_step_apart(minutes: tuple[int, ...]) -> None:
    moments = Moments(minutes, tuple(range(24)), rolling=True)
    for begin in ("2026-03-28T22:00", "2026-10-24T22:00"):
        at_ms = ms(begin)
        for _ in range(len(minutes) * 8):
            later_ms = next_ms(moments, BERLIN, at_ms)
            assert later_ms is not None
            assert 0 < later_ms - at_ms <= 3_600_000
            at_ms = later_ms


def test_a_zone_that_moves_by_half_an_hour_is_followed() -> None:
    howe = Zone("Australia/Lord_Howe")
    # Forward from 02:00 to 02:30 on 4 October 2026, at 15:30 UTC of the day before.
    assert following(daily(2, 15), howe, "2026-10-02T20:00", 2) == ["10-03 15:30:00", "10-04 15:15:00"]


def test_a_day_that_an_island_lost_is_made_up() -> None:
    apia = Zone("Pacific/Apia")
    assert following(daily(12, 0), apia, "2011-12-29T23:00", 2) == ["12-30 10:00:00", "12-30 22:00:00"]


def test_either_day_counts_where_both_are_named() -> None:
    moments = Moments((0,), (0,), days=frozenset({13}), weekdays=frozenset({4}), either_day=True)
    assert following(moments, UTC_ZONE, "2026-02-06T12:00", 3) == [
        "02-13 00:00:00", "02-20 00:00:00", "02-27 00:00:00"
    ]  # fmt: skip  # the moments on one line
    assert following(moments, UTC_ZONE, "2026-04-11T12:00", 1) == ["04-13 00:00:00"]


def test_days_are_counted_from_the_end_of_the_month() -> None:
    moments = Moments((0,), (0,), days_left=frozenset({1}))
    assert following(moments, UTC_ZONE, "2028-01-31T12:00", 2) == ["02-29 00:00:00", "03-31 00:00:00"]


def test_a_leap_day_is_waited_for() -> None:
    moments = Moments((0,), (0,), days=frozenset({29}), months=frozenset({2}))
    assert next_ms(moments, UTC_ZONE, ms("2096-03-01")) == ms("2104-02-29")
    on_sunday = Moments((0,), (0,), frozenset({29}), frozenset({2}), weekdays=frozenset({6}))
    assert next_ms(on_sunday, UTC_ZONE, ms("2088-03-01")) == ms("2128-02-29")


def test_what_never_comes_is_known() -> None:
    assert not comes(Moments((0,), (0,), days=frozenset({31}), months=frozenset({2, 4})))
    assert comes(Moments((0,), (0,), days=frozenset({29}), months=frozenset({2})))


def test_after_its_last_year_nothing_comes() -> None:
    moments = Moments((0,), (0,), years=frozenset({2020}))
    assert next_ms(moments, UTC_ZONE, ms("2020-12-30T12:00")) == ms("2020-12-31")
    assert next_ms(moments, UTC_ZONE, ms("2021-01-01")) is None


def test_a_moment_beyond_2038_is_one_like_any_other() -> None:
    assert next_ms(daily(3, 14), UTC_ZONE, ms("2038-01-19T03:14:08")) == ms("2038-01-20T03:14")


@given(
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    st.integers(ms("2020-01-01"), ms("2035-01-01")),
)
def test_a_daily_job_comes_on_each_date_exactly_once(hour: int, minute: int, zone: str, at_ms: int) -> None:
    dates: list[date] = []
    for _ in range(5):
        later_ms = next_ms(daily(hour, minute), Zone(zone), at_ms)
        assert later_ms is not None
        assert later_ms > at_ms
        at_ms = later_ms
        dates.append(datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date())
    assert [(b - a).days for a, b in pairwise(dates)] == [1] * 4
