from __future__ import annotations

import math
from random import Random

import pytest

from model.labels import Labels
from model.sample import Sample
from rules.promql import compile_query
from rules.promql.samples import Read, Samples, Stored
from rules.store.store import Selector, Store
from rules.store.summary import CHUNK_ROWS, LONG_ROWS

HOST = Labels.of(job="node", instance="web1")
KINDS = ("counter", "gauge", "still", "late", "odd", "huge", "gap")
ROWS = 1200


def value(chance: Random, kind: str, before: float, row: int) -> float | None:
    """Return the next value of a series of this kind, or None where it has none."""
    match kind:
        case "counter":
            return 0.0 if chance.random() < 0.02 else before + chance.randrange(5)
        case "gauge":
            return chance.gauss(1e9, 1e3)
        case "still":
            return 0.1
        case "late":
            return None if row < 300 else before + (row > 700)
        case "odd":
            return chance.choice((math.nan, math.inf, -math.inf, 1.5, -0.0)) if row % 97 == 0 else 2.5
        case "huge":
            return chance.choice((1e308, -1e308, 1.0))
        case _:
            return None if chance.random() < 0.005 else before + chance.randrange(-3, 4)


def stored(chance: Random, retention_rows: int) -> Store:
    store = Store(retention_ms=retention_rows * 15_000, series_max=100)
    values = dict.fromkeys(KINDS, 100.0)
    at_ms = 0
    for row in range(ROWS):
        at_ms += 15_000 + chance.randrange(-50, 50)
        samples = []
        for kind in KINDS:
            new = value(chance, kind, values[kind], row)
            if new is not None:
                values[kind] = new
                samples.append(Sample(Labels.of(__name__=kind), new))
        store.write(HOST, at_ms, samples)
    return store


def same(left: float, right: float, error: float = 0.0) -> bool:
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or abs(left - right) <= error * max(abs(left), abs(right), 1e-3)


def assert_same(plain: Read, quick: Samples) -> None:
    assert list(quick.times) == list(plain.times)
    assert repr(list(quick.values)) == repr(list(plain.values))
    assert quick.count == plain.count
    assert repr(quick.ends()) == repr(plain.ends())
    assert list(quick.falls()) == list(plain.falls())
    assert quick.changes() == plain.changes()
    for ask in ("least", "greatest"):
        assert same(getattr(quick, ask)(), getattr(plain, ask)())
    for ask in ("total", "mean"):
        assert same(getattr(quick, ask)(), getattr(plain, ask)(), 1e-12), ask
    if plain.count > 1:
        assert repr(quick.last_two().ends()) == repr(plain.last_two().ends())
        for origin_ms in (plain.times[0], plain.times[-1] + 1000):
            for mine, other in zip(quick.line(origin_ms), plain.line(origin_ms), strict=True):
                assert same(mine, other, 1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_the_quick_way_gives_what_the_plain_way_gives(seed: int) -> None:
    chance = Random(seed)
    store = stored(chance, retention_rows=ROWS if seed % 2 else 500)
    asked = 0
    for _ in range(60):
        until_ms = chance.randrange(ROWS * 15_000)
        after_ms = until_ms - chance.randrange(1, 600) * 15_000
        for kind in KINDS:
            for series, low, high in store.spans(Selector(kind, ()), after_ms, until_ms):
                run, window = series.run(low, high), series.window(low, high)
                if run is None or run[0] >= run[1]:
                    assert run is None or window is None
                    continue
                assert window is not None
                assert_same(Read(*window), Stored(series, *run))
                asked += 1
    assert asked > 100


@pytest.mark.parametrize("rows", [1, 2, CHUNK_ROWS, LONG_ROWS - 1, LONG_ROWS, LONG_ROWS + 1, 5 * LONG_ROWS])
def test_windows_of_every_length_and_place_agree(rows: int) -> None:
    store = Store(retention_ms=1 << 50, series_max=10)
    chance = Random(rows)
    for row in range(8 * LONG_ROWS):
        store.append(Labels.of(__name__="c"), row * 1000, chance.randrange(50))
    for last in range(rows, rows + 2 * CHUNK_ROWS, 3):
        ((series, low, high),) = store.spans(Selector("c", ()), (last - rows) * 1000, last * 1000)
        window = series.window(low, high)
        assert window is not None
        assert_same(Read(*window), Stored(series, low, high))


def test_what_was_summed_up_goes_with_its_rows() -> None:
    store = Store(retention_ms=LONG_ROWS * 1000, series_max=10)
    query = compile_query("sum_over_time(c[1h]) + max_over_time(c[1h]) + deriv(c[1h]) + resets(c[1h])")
    for row in range(20 * LONG_ROWS):
        store.append(Labels.of(__name__="c"), row * 1000, row % 7)
        if row % 50 == 0:
            assert query.at(store, row * 1000) or row < 1
    ((series, _, _),) = store.spans(Selector("c", ()), 0, 1 << 50)
    known = series.summary
    assert len(known._sums) + len(known._moments) + len(known._extremes) < 100
    assert len(known._falls) == len(known._fallen_from) < 200


@pytest.mark.parametrize(
    "query",
    [
        "rate(c[5m])",
        "predict_linear(c[1h], 3600) + avg_over_time(c[40m])",
        "max_over_time(c[1h]) - min_over_time(c[50m])",
        "changes(c[1h]) / resets(c[1h])",
        "max_over_time(rate(c[5m])[30m:1m])",
    ],
)
def test_an_expression_gives_the_same_with_and_without_short_cuts(query: str) -> None:
    store, chance = Store(retention_ms=1 << 50, series_max=10), Random(1)
    for row in range(2000):
        store.append(Labels.of(__name__="c"), row * 5000, float(chance.randrange(100)))
    made = compile_query(query)
    for at_ms in range(0, 10_000_000, 77_000):
        quick, plain = made.at(store, at_ms), made.at(store, at_ms, plain=True)
        assert [point.labels for point in quick] == [point.labels for point in plain]
        assert all(same(one.value, other.value, 1e-9) for one, other in zip(quick, plain, strict=True))
