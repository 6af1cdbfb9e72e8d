"""What attackers, tired people and broken exporters hand to the language, and what becomes of it."""

from __future__ import annotations

import time

import pytest

from model.labels import Labels
from rules.promql import QueryError, compile_query
from rules.store.store import Store
from tests.rules.promql.series import asked, refusal, stored


@pytest.mark.parametrize(
    ("query", "offset", "sentence"),
    [
        ("up ==", 5, "unexpected the end"),
        ("sum(up", 6, "unexpected the end"),
        ("up = 1", 3, "unexpected '='"),
        ("rate(up)", 5, "rate takes a range vector"),
        ("raet(up[5m])", 0, "there is no function 'raet'"),
        ("histogram_sum(x)", 0, "native histograms are not supported"),
        ("mad_over_time(x[5m])", 0, "it is experimental"),
        ("limitk(2, x)", 0, "limitk is experimental"),
        ("rate(x[1h/2])", 9, "computed durations are experimental"),
        ("x[5m] anchored", 6, "anchored is experimental"),
        ("rate(x[10y])", 5, "the range 10y is too long"),
        ("max_over_time(x[1w:1s])", 14, "the subquery takes too many steps"),
        ('x{a=~"(a)\\\\1"}', 5, "back-references"),
        ('x{a=~"(?=a)"}', 5, "look-around"),
        ('x{a=~"' + "a" * 10_000 + '"}', 5, "too long"),
        ('label_replace(x, "a", "", "b", "(")', 31, "is not a regular expression"),
    ],
)
def test_a_mistake_is_refused_with_its_place(query: str, offset: int, sentence: str) -> None:
    wrong = refusal(query)
    assert wrong.offset == offset
    assert sentence in wrong.sentence


def test_ten_thousand_parentheses_are_refused_at_once() -> None:
    began = time.perf_counter()
    for text in ("(" * 10_000 + "1" + ")" * 10_000, "-" * 10_000 + "1", "1" + "^1" * 10_000, "x[" * 5000):
        refusal(text)
    assert time.perf_counter() - began < 2


def test_a_join_of_everything_with_everything_ends_at_once() -> None:
    store = Store(retention_ms=1 << 40, series_max=30_000)
    for name in ("a", "b"):
        for number in range(5000):
            store.append(Labels.of(__name__=name, n=str(number), m=name), 0, 1.0)
    began = time.perf_counter()
    for query in ("a * on() b", "a * on() group_left b", "a * on(m) group_right b"):
        with pytest.raises(QueryError, match="many-to-many matching not allowed"):
            compile_query(query).at(store, 0)
    assert compile_query("count(a or on(n) b)").at(store, 0)[0].value == 5000
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "query", ["x / 0 > 1", "y / y == 1", "y > 0", "0 / y < 1", "sqrt(x - 9) > 0", "ln(y) != 1 < 0"]
)
def test_what_is_no_number_never_fires(query: str) -> None:
    assert asked(stored("x -3x10\ny NaNx10"), query) == []


def test_infinity_is_larger_than_any_threshold() -> None:
    assert asked(stored("x 3x10\nz 0x10"), "x / on() z > 1e300") == [("{}", float("inf"))]


def test_a_counter_that_wraps_at_64_bits_never_counts_backwards() -> None:
    store = stored("c 18446744073709551615 18446744073709551615 5 10")
    ((_, increase),) = asked(store, "increase(c[4m])", "3m")
    assert 0 <= increase < 20
    assert asked(store, "resets(c[4m])", "3m") == [("{}", 1.0)]


def test_odd_labels_are_only_text() -> None:
    odd = "\x00 \u202e{{ $x }} `rm -rf`\r\n😀" + "x" * 2000
    store = Store(retention_ms=1 << 40, series_max=10)
    store.append(Labels.of({"__name__": "x", "a": odd, "two words": "b"}), 0, 1.0)
    ((labels, value),) = compile_query('label_replace(x, "b", "$1", "a", "(.*)")').at(store, 0)
    assert (labels["b"], value) == (odd, 1.0)
    assert compile_query('{"x", "two words"="b"}').at(store, 0)
    assert compile_query('count by ("two words") (x)').at(store, 0)[0].labels == Labels.of({"two words": "b"})
