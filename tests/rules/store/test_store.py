from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.labels import Labels
from model.matcher import Matcher
from model.sample import Sample
from rules.store.block import TRIM_ROWS
from rules.store.store import Selector, Store

HOUR_MS = 3_600_000
CPU = Labels.of(__name__="cpu", core="0")
LOAD = Labels.of(__name__="load1")
HOST = Labels.of(job="node", instance="web1")
CPU_HERE = CPU.having(HOST)
LOAD_HERE = LOAD.having(HOST)


def store(retention_ms: int = HOUR_MS, series_max: int = 100) -> Store:
    return Store(retention_ms, series_max)


def samples(*pairs: tuple[Labels, float]) -> Iterable[Sample]:
    return [Sample(labels, value) for labels, value in pairs]


def values(held: Store, name: str, at_ms: int) -> dict[Labels, float]:
    return dict(held.values_at(Selector(name, ()), at_ms))


def window(held: Store, name: str, after_ms: int, until_ms: int) -> list[tuple[list[int], list[float]]]:
    found = held.windows(Selector(name, ()), after_ms, until_ms)
    return [(list(times), list(numbers)) for _, times, numbers in found]


def test_the_labels_of_the_target_are_laid_over_those_of_each_sample() -> None:
    held = store()
    named = Labels.of(__name__="cpu", job="mine", core="0")
    touched = held.write(HOST, 1000, samples((named, 5), (LOAD, 2)))
    assert touched == {"cpu", "load1"}
    assert values(held, "cpu", 1000) == {CPU_HERE: 5}
    assert held.series_count == 2


def test_a_series_that_a_run_leaves_out_is_stale_from_that_run_on() -> None:
    held = store()
    held.write(HOST, 1000, samples((CPU, 5), (LOAD, 2)))
    assert held.write(HOST, 2000, samples((LOAD, 3))) == {"cpu", "load1"}
    assert values(held, "cpu", 1999) == {CPU_HERE: 5}
    assert values(held, "cpu", 2000) == {}
    assert held.write(HOST, 3000, samples((LOAD, 3))) == {"load1"}
    held.write(HOST, 4000, samples((LOAD, 3), (CPU, 7)))
    assert values(held, "cpu", 4000) == {CPU_HERE: 7}
    assert window(held, "cpu", 0, 5000) == [([1000, 4000], [5, 7])]


def test_a_failed_run_ends_every_series_of_its_target_and_of_no_other() -> None:
    held = store()
    other = Labels.of(job="node", instance="web2")
    held.write(HOST, 1000, samples((CPU, 5)))
    held.write(other, 1000, samples((CPU, 6)))
    assert held.mark_failed(HOST, 2000) == {"cpu"}
    assert values(held, "cpu", 2000) == {CPU.having(other): 6}
    assert held.mark_failed(Labels.of(job="unknown"), 2000) == frozenset()


def test_a_run_that_is_not_later_is_dropped_and_counted() -> None:
    held = store()
    held.write(HOST, 2000, samples((CPU, 5)))
    assert held.write(HOST, 2000, samples((CPU, 6), (LOAD, 1))) == frozenset()
    assert held.write(HOST, 1000, samples((CPU, 6))) == frozenset()
    assert held.samples_dropped_out_of_order == 3
    assert values(held, "cpu", 2000) == {CPU_HERE: 5}


def test_a_series_beyond_the_most_is_dropped_and_counted() -> None:
    held = store(series_max=1)
    assert held.write(HOST, 1000, samples((CPU, 5), (LOAD, 2))) == {"cpu"}
    held.write(HOST, 2000, samples((CPU, 5), (LOAD, 2)))
    assert (held.series_count, held.series_dropped) == (1, 2)


def test_the_first_of_two_samples_of_one_series_wins() -> None:
    held = store()
    held.write(HOST, 1000, samples((CPU, 5), (CPU, 6), (CPU.having({"job": "x"}), 7)))
    assert values(held, "cpu", 1000) == {CPU_HERE: 5}
    assert held.samples_dropped_duplicate == 2


def test_a_live_series_belongs_to_one_target_until_it_is_stale() -> None:
    held = store()
    whole = Labels.of(job="node", instance="web1", probe="second")
    first, second = HOST, whole.without(("probe",))
    assert first is second
    held.append(CPU_HERE, 1000, 1)
    held.write(HOST, 1500, samples((CPU, 2)))
    assert values(held, "cpu", 1500) == {CPU_HERE: 1}
    held.mark_stale(CPU_HERE, 2000)
    held.write(HOST, 2500, samples((CPU, 3)))
    assert values(held, "cpu", 2500) == {CPU_HERE: 3}
    assert held.series_count == 1


def test_a_series_that_stands_alone_is_appended_and_ended() -> None:
    held = store()
    assert held.append(LOAD, 1000, 1) == {"load1"}
    assert held.append(LOAD, 2000, 2) == {"load1"}
    assert held.mark_stale(LOAD, 3000) == {"load1"}
    assert held.mark_stale(CPU, 3000) == frozenset()
    assert values(held, "load1", 2999) == {LOAD: 2}
    assert values(held, "load1", 3000) == {}


def test_a_run_that_breaks_off_changes_nothing() -> None:
    held = store()
    held.write(HOST, 1000, samples((CPU, 5), (LOAD, 2)))

    def broken() -> Iterator[Sample]:
        yield Sample(CPU, 6)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        held.write(HOST, 2000, broken())
    assert window(held, "cpu", 0, 9000) == [([1000], [5])]


def test_a_window_is_open_on_the_left_and_closed_on_the_right() -> None:
    held = store()
    for row in range(5):
        held.append(LOAD, row * 1000, row)
    assert window(held, "load1", 1000, 3000) == [([2000, 3000], [2, 3])]
    assert window(held, "load1", 4000, 9000) == []


def test_matchers_choose_among_the_series_of_a_name() -> None:
    held = store()
    held.write(HOST, 1000, samples((CPU, 5), (CPU.having({"core": "1"}), 6)))
    chosen = Selector("cpu", (Matcher("core", "=~", "[1-9]"),))
    assert [value for _, value in held.values_at(chosen, 1000)] == [6]
    anything = Selector("", (Matcher("instance", "=", "web1"),))
    assert sorted(value for _, value in held.values_at(anything, 1000)) == [5, 6]


def test_a_selection_follows_series_that_come_and_go() -> None:
    held = store(retention_ms=10_000)
    chosen, anything = Selector("load1", ()), Selector("", (Matcher("job", "=", ""),))
    for round_ms in (0, 100_000, 200_000):
        assert held.select(chosen) == held.select(anything) == ()
        held.append(LOAD, round_ms, 1)
        assert [series.labels for series in held.select(chosen)] == [LOAD]
        assert len(held.select(anything)) == 1
        held.append(CPU, round_ms + 50_000, 1)
        assert held.select(chosen) == ()
        assert [series.labels for series in held.select(anything)] == [CPU]
        held.append(Labels.of(__name__="x", job="y"), round_ms + 90_000, 1)


def test_a_target_that_is_gone_leaves_the_store_with_its_series() -> None:
    held = store(retention_ms=60_000)
    held.write(HOST, 0, samples((CPU, 5), (LOAD, 2)))
    for at_ms in range(0, 120_000, 10_000):
        held.append(Labels.of(__name__="other"), at_ms, 1)
    assert held.series_count == 1


def test_a_series_that_is_long_stale_leaves_its_living_target() -> None:
    held = store(retention_ms=60_000)
    held.write(HOST, 0, samples((CPU, 5), (LOAD, 2)))
    for at_ms in range(10_000, 120_000, 10_000):
        held.write(HOST, at_ms, samples((LOAD, 2)))
    assert held.series_count == 1
    held.write(HOST, 130_000, samples((LOAD, 2), (CPU, 1)))
    assert values(held, "cpu", 130_000) == {CPU_HERE: 1}


def test_old_rows_are_trimmed_and_the_rest_stays_right() -> None:
    held = store(retention_ms=100_000)
    for row in range(3 * TRIM_ROWS):
        pairs = [(LOAD, float(row))]
        if row % 100 < 50:
            pairs.append((CPU, 7.0))
        held.write(HOST, row * 1000, samples(*pairs))
    last_ms = (3 * TRIM_ROWS - 1) * 1000
    (series,) = held.select(Selector("load1", ()))
    assert len(series.block.times) <= TRIM_ROWS + 101
    ((times, numbers),) = window(held, "load1", last_ms - 5000, last_ms)
    assert numbers == [at_ms / 1000 for at_ms in times]
    ((times, numbers),) = window(held, "cpu", last_ms - 100_000, last_ms)
    assert set(numbers) == {7.0}
    assert all(at_ms // 1000 % 100 < 50 for at_ms in times)


def test_a_series_that_leaves_with_trimmed_rows_is_no_longer_counted() -> None:
    held = store(retention_ms=1000)
    held.write(HOST, 0, samples((CPU, 1), (LOAD, 1)))
    for row in range(1, TRIM_ROWS + 10):
        held.write(HOST, row * 10, samples((LOAD, 1)))
    assert held.series_count == 1
    assert values(held, "cpu", (TRIM_ROWS + 9) * 10) == {}


def test_the_sign_of_zero_and_what_is_no_number_survive_a_constant_column() -> None:
    held = store()
    for at_ms, value in ((1000, 0.0), (2000, -0.0), (3000, math.nan), (4000, 0.0)):
        held.append(LOAD, at_ms, value)
    ((_, numbers),) = window(held, "load1", 0, 5000)
    assert str(numbers) == "[0.0, -0.0, nan, 0.0]"


def test_a_column_that_stopped_changing_costs_nothing_again() -> None:
    held = store(retention_ms=TRIM_ROWS * 1000)
    for row in range(4 * TRIM_ROWS):
        held.append(LOAD, row * 1000, 1.0 if row < 10 else 2.0)
    (series,) = held.select(Selector("load1", ()))
    assert series.column is None
    assert values(held, "load1", 4 * TRIM_ROWS * 1000 - 1000) == {LOAD: 2}


def test_the_latest_values_leave_out_stale_series_and_silent_targets() -> None:
    held = store()
    held.write(HOST, 1000, samples((CPU, 5), (LOAD, 2)))
    held.write(HOST, 2000, samples((LOAD, 3)))
    held.append(Labels.of(__name__="a"), 1500, 9)
    assert list(held.latest(2000)) == [(Labels.of(__name__="a"), 9, 1500), (LOAD_HERE, 3, 2000)]
    assert [name.name for name, _, _ in held.latest(301_600)] == ["load1"]
    assert list(held.latest(302_000)) == []


def test_the_sink_is_told_whole_rows_and_nothing_of_what_was_dropped() -> None:
    told: list[tuple[Labels, int, dict[Labels, float]]] = []

    def tell(key: Labels, at_ms: int, labels: Sequence[Labels], numbers: Sequence[float]) -> None:
        told.append((key, at_ms, dict(zip(labels, numbers, strict=True))))

    held = Store(HOUR_MS, 2, sink=tell)
    held.write(HOST, 1000, samples((CPU, 5), (LOAD, 2), (Labels.of(__name__="third"), 1)))
    held.write(HOST, 1000, samples((CPU, 6)))
    held.mark_failed(HOST, 2000)
    assert told == [(HOST, 1000, {CPU_HERE: 5, LOAD_HERE: 2}), (HOST, 2000, {})]


def test_constant_series_cost_almost_nothing() -> None:
    held = store(series_max=2000)
    series = [Labels.of(__name__="metric", n=str(n)) for n in range(500)]
    held.write(HOST, 0, [Sample(labels, 1.0) for labels in series])
    tracemalloc.start()
    for row in range(1, 500):
        held.write(HOST, row * 1000, [Sample(labels, 1.0) for labels in series])
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 250,000 samples of 8 bytes would be 2 MB; the times and a name set stay.
    assert grown < 100_000


def test_what_turned_is_counted_and_what_only_goes_on_is_not() -> None:
    held = store()
    turns = []
    rows = [(1, 0.5), (1, 0.6), (1, 0.7), (0, 0.8), (0, 0.9), (1, 0.9), (1, 7.5)]
    for row, (cpu, load) in enumerate(rows, 1):
        held.write(HOST, row * 1000, samples((CPU, cpu), (LOAD, load)))
        turns.append(held.turns)
    # The series came; what is only seen for the second time is not constant yet; cpu changed; it became 1.
    assert turns == [1, 1, 1, 2, 2, 3, 3]


def test_rows_of_one_shape_and_others_in_turn_keep_every_value() -> None:
    held = store()
    expected: dict[str, list[float]] = {"cpu": [], "load1": []}
    for row in range(1, 400):
        pairs = [(CPU, float(row % 7)), (LOAD, row / 100)]
        if row % 50 in (10, 11, 12):
            pairs.pop()
        if row % 60 == 30:
            pairs.reverse()
        held.write(HOST, row * 1000, samples(*pairs))
        for labels, value in pairs:
            expected[labels.name].append(value)
    for name, numbers in expected.items():
        assert window(held, name, 0, 10**9)[0][1] == numbers


RUNS = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.dictionaries(st.integers(0, 4), st.sampled_from((0.0, -0.0, 1.0, 2.5, math.inf, math.nan))),
    ),
    max_size=60,
)


@given(RUNS, st.integers(0, 30_000), st.integers(0, 30_000))
def test_the_store_answers_like_a_plain_list_of_samples(
    runs: list[tuple[int, dict[int, float]]], after_ms: int, until_ms: int
) -> None:
    held = store(retention_ms=10**9)
    plain: dict[int, list[tuple[int, float]]] = {}
    at_ms, last_run, last_ms = 0, dict[int, float](), -1
    for step_ms, run in runs:
        at_ms += step_ms
        held.write(
            HOST, at_ms, [Sample(Labels.of(__name__="m", n=str(n)), value) for n, value in run.items()]
        )
        for n, value in run.items():
            plain.setdefault(n, []).append((at_ms, value))
        last_run, last_ms = run, at_ms
    expected = {
        str(n): [(t, repr(value)) for t, value in rows if after_ms < t <= until_ms]
        for n, rows in plain.items()
    }
    found = {
        labels["n"]: [(t, repr(value)) for t, value in zip(times, numbers, strict=True)]
        for labels, times, numbers in held.windows(Selector("m", ()), after_ms, until_ms)
    }
    assert found == {n: rows for n, rows in expected.items() if rows}
    newest = {
        labels["n"]: repr(value) for labels, value in held.values_at(Selector("m", ()), max(last_ms, 0))
    }
    assert newest == {str(n): repr(value) for n, value in last_run.items()}


@given(RUNS, st.integers(1, 40))
def test_trimming_changes_no_answer_within_the_retention(
    runs: list[tuple[int, dict[int, float]]], copies: int
) -> None:
    short, long = store(retention_ms=2000), store(retention_ms=10**12)
    at_ms = 0
    for step_ms, run in runs * copies:
        at_ms += step_ms
        found = [Sample(Labels.of(__name__="m", n=str(n)), value) for n, value in run.items()]
        assert short.write(HOST, at_ms, found) == long.write(HOST, at_ms, found)
    chosen = Selector("m", ())
    assert repr(sorted(map(repr, short.values_at(chosen, at_ms)))) == repr(
        sorted(map(repr, long.values_at(chosen, at_ms)))
    )
    assert sorted(map(repr, short.windows(chosen, at_ms - 2000, at_ms))) == sorted(
        map(repr, long.windows(chosen, at_ms - 2000, at_ms))
    )
