from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.exhaustion import State, forecast, until
from rules.exhaustion.forecast import POINTS_MAX, Forecast, thinned
from rules.exhaustion.history import History, Ring
from rules.exhaustion.saw_tooth import peaks, resets
from rules.exhaustion.slope import slope

DAY_S = 86_400
HOUR_S = 3600
WEEK_S = 7 * DAY_S

Use = Callable[[float], float]


def told(use: Use, past_s: int = WEEK_S, limit: float = 100.0) -> Forecast:
    """Return the forecast for something that was used like this, a look a minute."""
    history = History()
    for at_s in range(0, past_s + 1, 60):
        history.add(float(at_s), use(float(at_s)))
    return forecast(*history.windows(), limit)


def noisy(seed: int, use: Use, spread: float) -> Use:
    chance = random.Random(seed)
    return lambda at_s: use(at_s) + chance.gauss(0.0, spread)


@settings(max_examples=40)
@given(st.floats(0.5, 12.0), st.floats(0.0, 10.0), st.sampled_from([1.0, 1e3, 1e12]))
def test_a_steady_growth_runs_out_within_its_interval(a_day: float, begin: float, scale: float) -> None:
    limit = 100.0 * scale
    found = told(lambda at_s: (begin + a_day * at_s / DAY_S) * scale, limit=limit)
    left_s = (100.0 - begin - 7 * a_day) / a_day * DAY_S
    assert found.state is State.ENOUGH
    assert found.seconds == pytest.approx(left_s, rel=0.02, abs=HOUR_S)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= left_s + 60
    assert left_s <= found.upper + 60


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(2.0, 10.0))
def test_a_noisy_growth_is_told_with_an_interval_that_holds_or_not_at_all(seed: int, a_day: float) -> None:
    found = told(noisy(seed, lambda at_s: 5.0 + a_day * at_s / DAY_S, 0.1))
    if found.state is State.ENOUGH:
        left_s = (95.0 - 7 * a_day) / a_day * DAY_S
        assert found.lower is not None
        assert found.upper is not None
        assert found.lower * 0.9 <= left_s <= found.upper * 1.1


@settings(max_examples=25)
@given(st.lists(st.floats(0.0, 100.0), max_size=300), st.floats(1e-3, 1e12))
def test_whatever_was_used_the_interval_stands_around_the_estimate(used: list[float], limit: float) -> None:
    points = [(60.0 * index, value) for index, value in enumerate(used)]
    found = forecast(points, points[::60], limit)
    if found.state is State.ENOUGH:
        assert found.lower is not None
        assert found.seconds is not None
        assert found.upper is not None
        assert 0.0 <= found.lower <= found.seconds * 1.0001
        assert found.seconds <= found.upper * 1.0001
    else:
        assert (found.lower, found.seconds, found.upper) == (None, None, None)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_noisy_and_does_not_run_out(seed: int) -> None:
    assert told(noisy(seed, lambda _: 50.0, 5.0), DAY_S).state is State.NOISY


def test_what_rests_or_shrinks_does_not_grow() -> None:
    for use in (lambda _: 50.0, lambda at_s: 90.0 - at_s / DAY_S, noisy(1, lambda _: 50.0, 0.01)):
        assert told(use).state is State.NOT_GROWING


def test_twenty_points_are_needed() -> None:
    assert told(lambda at_s: 10 + at_s / 600, 18 * 60).state is State.TOO_FEW
    assert told(lambda at_s: 10 + at_s / 60, 19 * 60).state is State.ENOUGH
    assert forecast((), (), 100.0).state is State.TOO_FEW


def test_nothing_is_told_of_next_month_from_what_an_hour_showed() -> None:
    assert told(lambda at_s: 10 + at_s / DAY_S, HOUR_S).state is State.TOO_FEW


@pytest.mark.parametrize("each_s", [1800, 3 * HOUR_S, DAY_S])
def test_logs_that_are_rotated_are_a_saw_tooth(each_s: int) -> None:
    found = told(lambda at_s: 40.0 + 20.0 * (at_s % each_s) / each_s, WEEK_S - 600)
    assert found.state is State.SAW_TOOTH


def test_the_teeth_of_a_leak_grow_and_are_told_of() -> None:
    found = told(lambda at_s: 10.0 + 10.0 * (at_s % 1800) / 1800 + 8.0 * at_s / DAY_S)
    assert found.state is State.ENOUGH
    assert found.seconds == pytest.approx((80.0 - 56.0) / 8.0 * DAY_S, rel=0.25)


def test_a_rotation_that_no_longer_happens_is_told_of() -> None:
    def use(at_s: float) -> float:
        rotated = 30.0 + 10.0 * (at_s % DAY_S) / DAY_S
        return rotated if at_s < 6 * DAY_S else 30.0 + 40.0 * (at_s - 6 * DAY_S) / DAY_S

    found = told(use)
    assert found.state is State.ENOUGH
    assert found.seconds == pytest.approx(30.0 / 40.0 * DAY_S, rel=0.1)


def test_after_a_cleaning_only_what_came_since_counts() -> None:
    found = told(lambda at_s: 20 + 10 * at_s / DAY_S if at_s < 5 * DAY_S else 10 + 5 * (at_s / DAY_S - 5))
    assert found.state is State.ENOUGH
    assert found.seconds == pytest.approx(80.0 / 5.0 * DAY_S, rel=0.05)


@pytest.mark.parametrize("ago_s", [2 * HOUR_S, 3 * HOUR_S, 2 * DAY_S])
def test_a_step_is_no_growth(ago_s: int) -> None:
    found = told(lambda at_s: 30.0 if at_s < WEEK_S - ago_s else 60.0)
    assert found.state in (State.NOISY, State.NOT_GROWING)


def test_a_disk_that_begins_to_fill_after_a_quiet_week_is_told_of() -> None:
    begin_s = WEEK_S - 2 * HOUR_S
    found = told(lambda at_s: 30.0 if at_s < begin_s else 30.0 + 30.0 * (at_s - begin_s) / (2 * HOUR_S))
    assert found.state is State.ENOUGH
    assert found.seconds == pytest.approx(40.0 / 15.0 * HOUR_S, rel=0.1)


def test_what_goes_up_and_down_with_the_day_is_not_foretold() -> None:
    found = told(lambda at_s: 50.0 - 30.0 * math.cos(at_s / DAY_S * 2 * math.pi), WEEK_S - 6 * HOUR_S)
    assert found.state is State.NOISY


def test_a_full_disk_has_run_out() -> None:
    assert told(lambda _: 100.0) == Forecast(State.ENOUGH, 0.0, 0.0, 0.0)


def test_what_ends_on_a_date_is_known_exactly() -> None:
    assert until(1000.0, 400.0) == Forecast(State.ENOUGH, 600.0, 600.0, 600.0)
    assert until(1000.0, 4000.0) == Forecast(State.ENOUGH, 0.0, 0.0, 0.0)


def test_one_wild_point_does_not_move_a_slope() -> None:
    points = [(float(at), float(at)) for at in range(50)]
    points[20] = (20.0, 1e9)
    line = slope(points)
    assert line.each_s == pytest.approx(1.0)
    assert line.least <= 1.0 <= line.greatest


def test_a_reset_is_a_sudden_fall_of_much_of_what_was_gained() -> None:
    points = [(float(at), float(at % 10)) for at in range(30)]
    assert resets(points, 100.0) == [10, 20]
    assert peaks(points, [10, 20]) == [(9.0, 9.0), (19.0, 9.0)]
    assert resets(points, 10_000.0) == []
    assert resets(points[:1], 100.0) == []


@given(st.integers(0, 2000))
def test_thinning_keeps_order_the_last_point_and_the_bound(count: int) -> None:
    points = [(float(at), 0.0) for at in range(count)]
    few = thinned(points)
    assert few == sorted(few)
    assert len(few) <= POINTS_MAX
    assert few[-1:] == points[-1:]


def test_a_history_is_bounded_and_forgets_what_is_past() -> None:
    history = History()
    for at_s in range(0, 30 * DAY_S, 600):
        history.add(float(at_s), 1.0)
    hours, days = history.windows()
    assert hours[0][0] >= hours[-1][0] - 6 * HOUR_S
    assert days[0][0] >= days[-1][0] - WEEK_S
    assert (len(hours), len(days)) == (36, 168)


def test_a_step_of_time_has_one_point_and_the_clock_may_go_back() -> None:
    ring = Ring(60, 10)
    assert ring.add(600.0, 1.0)
    assert not ring.add(630.0, 2.0)
    assert not ring.add(30.0, 3.0)
    assert ring.points() == [(600.0, 1.0)]


def test_a_ring_is_recalled_as_it_was_and_believes_no_nonsense() -> None:
    ring, other = Ring(60, 10), Ring(60, 10)
    for at_s in range(600, 1200, 60):
        ring.add(float(at_s), at_s * 0.1)
    other.recall(ring.known())
    assert other.points() == ring.points()
    other.recall([[1], None, ["a", 1.0], [math.nan, 1.0], [6000.0, 1.0, 2.0]])
    other.recall("nonsense")
    assert other.points() == ring.points()
