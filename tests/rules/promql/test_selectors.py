from __future__ import annotations

import pytest

from rules.promql import QueryError
from tests.rules.promql.series import asked, assert_answer, stored

UP = """
    up{job="web",instance="a"} 1+0x20
    up{job="web",instance="b"} 0+0x20
    up{job="db",instance="a"}  1+0x20
    load1{instance="a"}        0+1x20
"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("load1", {'load1{instance="a"}': 10}),
        ('{__name__="load1"}', {'load1{instance="a"}': 10}),
        ('{"load1"}', {'load1{instance="a"}': 10}),
        ('{"load1", instance="a"}', {'load1{instance="a"}': 10}),
        ("load1{}", {'load1{instance="a"}': 10}),
        ("load1{instance='a',}", {'load1{instance="a"}': 10}),
        ("load1{instance=`a`}", {'load1{instance="a"}': 10}),
        ('load1{"instance"="a"}', {'load1{instance="a"}': 10}),
        ('load1{instance="b"}', {}),
        ("unknown", {}),
        ('up{job="db"}', {'up{instance="a", job="db"}': 1}),
        ('up{job!="web"}', {'up{instance="a", job="db"}': 1}),
        ('up{job=~"w.*",instance=~"a|b"} == 0', {'up{instance="b", job="web"}': 0}),
        ('up{job!~"w.*"}', {'up{instance="a", job="db"}': 1}),
        ('up{job=~"w"}', {}),
        ('up{zone="",job="db"}', {'up{instance="a", job="db"}': 1}),
        ('up{zone=~".+"}', {}),
        ('up{zone!="x",job="db"}', {'up{instance="a", job="db"}': 1}),
        ('{__name__=~"lo.*"}', {'load1{instance="a"}': 10}),
        ('{job="db"}', {'up{instance="a", job="db"}': 1}),
        ("load1 offset 3m", {'load1{instance="a"}': 7}),
        ("load1 offset 180", {'load1{instance="a"}': 7}),
        ("load1 offset -2m", {'load1{instance="a"}': 12}),
        ("load1 offset +2m", {'load1{instance="a"}': 8}),
        ("load1 offset 1h", {}),
        ("load1 @ 120", {'load1{instance="a"}': 2}),
        ("load1 @ 120 offset 1m", {'load1{instance="a"}': 1}),
        ("load1 offset 1m @ 120", {'load1{instance="a"}': 1}),
        ("load1 @ start()", {'load1{instance="a"}': 10}),
        ("load1 @ end() offset 1m", {'load1{instance="a"}': 9}),
        ("load1 @ -5", {}),
        ("sum_over_time(load1[2m])", {'{instance="a"}': 19}),
        ("sum_over_time(load1[2m] offset 1m)", {'{instance="a"}': 17}),
        ("sum_over_time(load1[2m] @ 240)", {'{instance="a"}': 7}),
        ("sum_over_time(load1[120])", {'{instance="a"}': 19}),
    ],
)
def test_a_selector_reads_what_prometheus_reads(query: str, expected: dict[str, float]) -> None:
    assert_answer(stored(UP), query, expected)


def test_a_range_is_open_on_the_left() -> None:
    assert_answer(stored(UP), "count_over_time(load1[1m])", {'{instance="a"}': 1})
    assert_answer(stored(UP), "count_over_time(load1[1m1ms])", {'{instance="a"}': 2})


def test_the_lookback_is_open_on_the_left_as_well() -> None:
    store = stored("lonely 7")
    assert asked(store, "lonely", "4m59s999ms") == [("lonely", 7)]
    assert asked(store, "lonely", "5m") == []


def test_a_stale_series_is_gone_at_once_and_comes_back_with_its_next_value() -> None:
    store = stored("blinks 1 2 stale _ 5")
    assert asked(store, "blinks", "1m59s") == [("blinks", 2)]
    assert asked(store, "blinks", "2m") == []
    assert asked(store, "blinks", "3m59s") == []
    assert asked(store, "blinks", "4m") == [("blinks", 5)]


def test_a_range_skips_stale_markers_but_not_what_lies_before_them() -> None:
    store = stored("blinks 1 2 stale _ 5")
    assert asked(store, "count_over_time(blinks[10m])", "5m") == [("{}", 3)]
    assert asked(store, "sum_over_time(blinks[10m])", "5m") == [("{}", 8)]


def test_a_value_that_is_not_a_number_is_a_value() -> None:
    store = stored("odd NaN NaN 3")
    assert str(asked(store, "odd", "1m")) == "[('odd', nan)]"
    assert asked(store, "count_over_time(odd[5m])", "2m") == [("{}", 3)]


def test_a_selector_sees_a_series_that_came_after_the_query_was_compiled() -> None:
    store = stored("up 1")
    before = asked(store, "up", "0")
    newcomer = stored('up{job="late"} 1')
    for labels, value, at_ms in newcomer.latest(0):
        store.append(labels, at_ms, value)
    assert len(asked(store, "up", "0")) == len(before) + 1


def test_a_query_that_reads_too_many_samples_fails() -> None:
    store = stored("big 0+1x20000", interval="1s")
    query = " + ".join(["sum_over_time(big[6h])"] * 51)
    with pytest.raises(QueryError, match="more than 1000000 samples"):
        asked(store, query, "6h")
