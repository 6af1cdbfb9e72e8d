"""The score of the Numenta Anomaly Benchmark, by the sums that its white paper gives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.nab import PROFILES, DataFile, judge, points, read_corpus

STANDARD, LOW_FP, LOW_FN = PROFILES


def file(windows: tuple[tuple[int, int], ...], rows: int = 200, name: str = "a/b.csv") -> DataFile:
    return DataFile(name, range(rows), [0.0] * rows, windows)


def at(rows: int, *found: int) -> dict[str, list[float]]:
    return {"a/b.csv": [float(row in found) for row in range(rows)]}


def test_who_finds_nothing_has_0_points() -> None:
    for profile in PROFILES:
        assert judge([file(((100, 119),))], at(200), profile).score == 0.0


def test_who_finds_each_window_at_its_first_row_alone_has_100_points() -> None:
    found = judge([file(((100, 119), (150, 169)))], at(200, 100, 150), STANDARD)
    assert found.score == pytest.approx(100.0)
    assert (found.found, found.windows, found.alarms) == (2, 2, 0)


def test_a_later_detection_is_worth_less_and_a_second_one_nothing() -> None:
    early, late = (judge([file(((100, 119),))], at(200, row), STANDARD).score for row in (105, 115))
    both = judge([file(((100, 119),))], at(200, 105, 115), STANDARD).score
    assert 100.0 > early > late > 50.0
    assert both == early


def test_a_false_alarm_costs_what_the_profile_says_and_less_shortly_after_a_window() -> None:
    worth = {point.row: point.worth for point in points(file(((100, 119),)), STANDARD)}
    assert worth[50] == -0.11
    assert -0.11 < worth[121] < 0.0
    assert worth[199] == -0.11
    assert worth[100] == pytest.approx(1.0)
    assert worth[119] == pytest.approx((2 / (1 + math.exp(-0.25)) - 1) / (2 / (1 + math.exp(-5)) - 1))


def test_what_happens_in_the_probation_is_not_judged() -> None:
    assert judge([file(((100, 119),))], at(200, *range(30)), STANDARD, 0.5).alarms == 0
    assert file((), rows=20_000).probation == 750


def test_the_threshold_is_the_best_one_unless_it_is_given() -> None:
    scores = {"a/b.csv": [0.0] * 200}
    scores["a/b.csv"][100], scores["a/b.csv"][50] = 0.5, 0.4
    assert judge([file(((100, 119),))], scores, STANDARD).threshold == 0.5
    low = judge([file(((100, 119),))], scores, STANDARD, 0.3)
    assert (low.found, low.alarms) == (1, 1)
    assert low.score == pytest.approx(100.0 - 50.0 * 0.11)


def test_a_missed_window_weighs_more_for_who_fears_to_miss_one() -> None:
    half = [judge([file(((100, 119), (150, 169)))], at(200, 100), one).score for one in PROFILES]
    assert half == [pytest.approx(50.0)] * 3


def test_a_corpus_is_read_from_its_folders(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data/a").mkdir(parents=True)
    rows = "".join(f"2014-04-01 00:{minute:02}:00,{minute}\n" for minute in range(0, 60, 5))
    (tmp_path / "data/a/b.csv").write_text(f"timestamp,value\n{rows}")
    window = ["2014-04-01 00:20:00.000000", "2014-04-01 00:30:00.000000"]
    (tmp_path / "labels/combined_windows.json").write_text(json.dumps({"a/b.csv": [window]}))
    (one,) = read_corpus(tmp_path)
    assert one.windows == ((4, 6),)
    assert one.values[:3] == [0.0, 5.0, 10.0]
    assert one.times_ms[1] - one.times_ms[0] == 300_000
