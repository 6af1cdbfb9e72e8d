from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Iterable

import pytest

from rules.unusual import Detector, Lost, recalled, remembered
from rules.unusual.detector import LEARNING

MINUTE_MS = 60_000
DAY = 1440
BEGIN_MS = 1_700_000_000_000 // 86_400_000 * 86_400_000

Value = Callable[[int], float]


def scores(value: Value, minutes: int, step: int = 5) -> list[float]:
    """Return the score of one value in five minutes."""
    detector = Detector()
    return [detector.score(BEGIN_MS + at * MINUTE_MS, value(at)) for at in range(0, minutes, step)]


def noisy(seed: int, level: Value = lambda _: 50.0, spread: float = 1.0) -> Value:
    chance = random.Random(seed)
    return lambda at: level(at) + chance.gauss(0.0, spread)


def alarms(found: Iterable[float]) -> list[int]:
    return [index for index, score in enumerate(found) if score > 0.99]


def daily(at: int) -> float:
    return 50.0 + 30.0 * math.sin(at / DAY * 2 * math.pi)


def test_a_score_lies_between_0_and_1() -> None:
    values = noisy(1, lambda at: 1e9 if at == 9000 else 5.0)
    assert all(0.0 <= score <= 1.0 for score in scores(values, 3 * DAY * 5))


def test_nothing_is_unusual_while_there_is_little_to_compare_with() -> None:
    assert not any(scores(lambda at: float(at % 7 == 0) * 100, LEARNING * 5))


def test_a_constant_series_is_never_unusual_until_it_changes() -> None:
    found = scores(lambda at: 45.0 if at < 8 * DAY else 46.0, 9 * DAY)
    assert not any(found[: 8 * DAY // 5])
    assert alarms(found[8 * DAY // 5 :])


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_seldom_unusual(seed: int) -> None:
    assert len(alarms(scores(noisy(seed), 14 * DAY))) <= 6


@pytest.mark.parametrize("seed", range(4))
def test_a_spike_far_beyond_the_noise_is_found_at_once(seed: int) -> None:
    at = 10 * DAY // 5
    found = scores(noisy(seed, lambda minute: 90.0 if minute // 5 in (at, at + 1) else 50.0), 11 * DAY)
    assert set(alarms(found)) & set(range(at, at + 5))


def test_a_level_shift_is_found_and_then_becomes_usual() -> None:
    at = 10 * DAY // 5
    found = scores(noisy(3, lambda minute: 50.0 if minute < 10 * DAY else 80.0), 20 * DAY)
    assert set(alarms(found)) & set(range(at, at + 12))
    assert len([index for index in alarms(found) if index > 12 * DAY // 5]) <= 4


def test_what_comes_every_day_is_usual_and_a_day_without_it_is_not() -> None:
    def work(at: int) -> float:
        holiday = at // DAY == 10
        return 80.0 if 8 * 60 <= at % DAY < 17 * 60 and not holiday else 20.0

    found = scores(noisy(5, work, 0.5), 13 * DAY)
    day = DAY // 5
    assert set(alarms(found)) & set(range(10 * day, 11 * day))
    assert not [index for index in alarms(found) if 4 * day <= index < 10 * day]


def test_a_series_that_goes_quiet_in_its_busy_hours_is_unusual() -> None:
    found = scores(noisy(7, lambda at: daily(at) if at < 10 * DAY + 300 else 20.0), 11 * DAY)
    at = (10 * DAY + 300) // 5
    assert set(alarms(found)) & set(range(at, at + 24))


def test_only_the_begin_of_an_episode_has_a_score() -> None:
    at = 10 * DAY // 5
    found = scores(lambda minute: 90.0 if minute // 5 >= at else 50.0 + (minute // 5) % 3, 11 * DAY)
    assert 1 <= len(alarms(found)) <= 3


def test_a_spike_that_recurs_ceases_to_be_unusual() -> None:
    found = scores(noisy(8, lambda at: 80.0 if at % 3000 == 0 else 50.0), 60 * DAY)
    first, last = found[: len(found) // 3], found[-len(found) // 3 :]
    assert len(alarms(last)) < len(alarms(first))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_number_has_no_score_and_teaches_nothing(value: float) -> None:
    detector = Detector()
    for index in range(300):
        detector.score(BEGIN_MS + index * MINUTE_MS, float(index % 5))
    before = json.dumps(remembered(detector))
    assert detector.score(BEGIN_MS + 400 * MINUTE_MS, value) == 0.0
    assert json.dumps(remembered(detector)) == before


def test_a_sample_from_the_past_is_not_taken() -> None:
    detector = Detector()
    detector.score(BEGIN_MS, 1.0)
    before = json.dumps(remembered(detector))
    assert detector.score(BEGIN_MS, 100.0) == 0.0
    assert json.dumps(remembered(detector)) == before


def test_a_gap_is_survived() -> None:
    detector = Detector()
    chance = random.Random(1)
    at_ms = BEGIN_MS
    for _ in range(2000):
        at_ms += MINUTE_MS
        detector.score(at_ms, chance.gauss(50.0, 1.0))
    at_ms += 5 * 86_400_000
    found = []
    for _ in range(500):
        at_ms += MINUTE_MS
        found.append(detector.score(at_ms, chance.gauss(50.0, 1.0)))
    assert len(alarms(found)) <= 2


def test_a_series_moved_by_a_constant_has_nearly_the_same_scores() -> None:
    moved = noisy(11, lambda at: 1e6 + daily(at))
    assert len(alarms(scores(moved, 10 * DAY))) <= 6


def occupied(part: object) -> int:
    """Return the bytes of a part with all that it holds."""
    held = [getattr(part, name) for name in getattr(type(part), "__slots__", ())]
    if isinstance(part, list):
        held = part
    return sys.getsizeof(part) + sum(occupied(one) for one in held)


def test_a_detector_takes_the_same_memory_however_much_it_has_seen() -> None:
    detector, chance = Detector(), random.Random(2)
    sizes = []
    for index in range(12_000):
        detector.score(BEGIN_MS + index * MINUTE_MS, chance.expovariate(1.0))
        if index % 1000 == 999:
            sizes.append(occupied(detector))
    assert max(sizes[3:]) <= max(sizes[:3]) + 1024
    assert max(sizes) < 9000


def test_a_detector_goes_on_where_it_was_written_down() -> None:
    chance = random.Random(4)
    values = [chance.gauss(50.0, 3.0) + (40.0 if index % 701 == 0 else 0.0) for index in range(4000)]
    whole, first = Detector(), Detector()
    for index, value in enumerate(values[:2000]):
        assert whole.score(BEGIN_MS + index * MINUTE_MS, value) == first.score(
            BEGIN_MS + index * MINUTE_MS, value
        )
    again = recalled(json.loads(json.dumps(remembered(first))))
    for index, value in enumerate(values[2000:], 2000):
        at_ms = BEGIN_MS + index * MINUTE_MS
        assert whole.score(at_ms, value) == again.score(at_ms, value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda known: None,
        lambda known: [known],
        lambda known: {**known, "more": 1},
        lambda known: {**known, "_seen": "many"},
        lambda known: {**known, "_lasting": math.nan},
        lambda known: {**known, "_season": {**known["_season"], "_day": [0.0]}},
        lambda known: {**known, "_season": {**known["_season"], "_weeks": [-1] * 168}},
        lambda known: {**known, "_courses": {**known["_courses"], "_beat": [0.0] * 100_000}},
    ],
)
def test_what_no_detector_wrote_is_not_taken_up(spoil: Callable[[dict[str, object]], object]) -> None:
    known = remembered(Detector())
    assert isinstance(known, dict)
    with pytest.raises(Lost):
        recalled(spoil({**known}))
