from __future__ import annotations

import gc

import pytest

from model.duration import Duration
from model.labels import EMPTY, Labels
from rules.promql import Point, QueryError, compile_query
from rules.store.store import Store
from tests.rules.promql.series import asked, stored


@pytest.mark.parametrize(
    ("query", "kind", "metrics", "lookback"),
    [
        ("up == 0", "vector", {"up"}, "5m"),
        ("1 + 1", "scalar", set(), "0"),
        ("'text'", "string", set(), "0"),
        ("up[10m]", "matrix", {"up"}, "10m"),
        ("time() - boot_time_seconds > 600", "vector", {"boot_time_seconds"}, "5m"),
        ("rate(a[10m]) / rate(b[20m] offset 1h)", "vector", {"a", "b"}, "1h20m"),
        ("a offset -10m", "vector", {"a"}, "0"),
        ("max_over_time(rate(a[5m])[1h:1m] offset 1d)", "vector", {"a"}, "1d1h5m"),
        ('{job="x"}', "vector", {""}, "5m"),
        ('{__name__=~"a|b"} or c', "vector", {"", "c"}, "5m"),
        ('{__name__="a"}', "vector", {"a"}, "5m"),
        ("topk(scalar(k), sum by (a) (v))", "vector", {"k", "v"}, "5m"),
        ("scalar(a)", "scalar", {"a"}, "5m"),
    ],
)
def test_a_query_tells_what_it_reads(query: str, kind: str, metrics: set[str], lookback: str) -> None:
    made = compile_query(query)
    assert (made.kind, made.text) == (kind, query)
    assert made.metrics == frozenset(metrics)
    assert made.lookback_ms == Duration.parse(lookback).ms


def test_a_scalar_is_one_point_without_labels() -> None:
    assert compile_query("2 * 3").at(stored(""), 0) == (Point(EMPTY, 6.0),)


def test_a_vector_is_its_points_with_their_labels() -> None:
    (point,) = compile_query("up").at(stored('up{job="x"} 1'), 0)
    assert point.labels is Labels.of(__name__="up", job="x")
    assert point.value == 1


@pytest.mark.parametrize("query", ["'text'", "up[5m]", "up[5m:1m]"])
def test_what_has_no_value_at_one_moment_is_told_so(query: str) -> None:
    with pytest.raises(QueryError, match="no value at one moment"):
        compile_query(query).at(stored("up 1"), 0)


def test_one_query_serves_several_stores() -> None:
    query = compile_query("sum by (job) (up) / on(job) group_left up")
    first, second = stored('up{job="a"} 2'), stored('up{job="b"} 4')
    for _ in range(2):
        assert [str(point.labels) for point in query.at(first, 0)] == ['{job="a"}']
        assert [str(point.labels) for point in query.at(second, 0)] == ['{job="b"}']


def test_the_step_of_a_subquery_without_one_is_given_by_the_caller() -> None:
    store = stored("up 1+0x60")
    assert asked(store, "count_over_time(up[10m:])", "1h")[0][1] == 10
    assert compile_query("count_over_time(up[10m:])", step_ms=120_000).at(store, 3_600_000)[0].value == 5


def test_a_query_forgets_series_that_come_and_go() -> None:
    query = compile_query(
        'label_replace(sum without (pid) (a * on(pid, job) b), "x", "$1", "job", "(.*)") > -1'
    )
    store = Store(retention_ms=60_000, series_max=100)
    for round_ in range(400):
        for name in ("a", "b"):
            store.append(Labels.of(__name__=name, pid=str(round_), job=f"j{round_}"), round_ * 10_000, 1)
        query.at(store, round_ * 10_000)
    gc.collect()
    kept = sum(isinstance(each, Labels) and "pid" in each for each in gc.get_objects())
    assert store.series_count < 50
    assert kept < 1000


def test_a_query_tells_what_looks_further_back_than_samples_are_kept() -> None:
    query = compile_query(
        "rate(a[1h]) > avg_over_time(b[1d]) + c offset 1w + min_over_time(max_over_time(d[5m])[6h:])"
    )
    assert [(read.selector.name, read.at) for read in query.beyond(6 * 3_600_000)] == [
        ("b", 28),
        ("c", 37),
        ("d", 79),
    ]
    assert query.beyond(1 << 40) == ()


def test_a_range_of_steps_is_each_step() -> None:
    store = stored("a 0+1x10\nb _x3 5x2")
    query = compile_query('{__name__=~"a|b"} + 1')
    with pytest.raises(QueryError, match="same labelset"):
        query.between(store, 0, 600_000, 60_000)
    found = compile_query('{__name__=~"a|b"}').between(store, 0, 240_000, 120_000)
    assert {str(labels): points for labels, points in found.items()} == {
        "a": [(0, 0), (120_000, 2), (240_000, 4)],
        "b": [(240_000, 5)],
    }
    assert compile_query("time()").between(store, 0, 60_000, 30_000) == {
        EMPTY: [(0, 0), (30_000, 30), (60_000, 60)]
    }


def test_start_and_end_mean_those_of_a_range() -> None:
    store = stored("a 0+1x10")
    first = compile_query("a @ start()").between(store, 60_000, 180_000, 60_000)
    last = compile_query("a @ end()").between(store, 60_000, 180_000, 60_000)
    assert [[value for _, value in points] for points in (*first.values(), *last.values())] == [
        [1] * 3,
        [3] * 3,
    ]
