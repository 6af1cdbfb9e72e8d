from __future__ import annotations

import math

import pytest

from tests.rules.promql.series import asked, assert_answer, stored

STEADY = "requests_total 0+6x20"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("rate(requests_total[5m])", 0.1),
        ("increase(requests_total[5m])", 30),
        ("irate(requests_total[5m])", 0.1),
        ("delta(requests_total[5m])", 30),
        ("idelta(requests_total[5m])", 6),
        ("deriv(requests_total[5m])", 0.1),
        ("predict_linear(requests_total[5m], 60)", 66),
        ("changes(requests_total[5m])", 4),
        ("resets(requests_total[5m])", 0),
        ("avg_over_time(requests_total[5m])", 48),
        ("min_over_time(requests_total[5m])", 36),
        ("max_over_time(requests_total[5m])", 60),
        ("sum_over_time(requests_total[5m])", 240),
        ("count_over_time(requests_total[5m])", 5),
        ("present_over_time(requests_total[5m])", 1),
        ("quantile_over_time(0.5, requests_total[5m])", 48),
        ("quantile_over_time(0.9, requests_total[5m])", 57.6),
        ("quantile_over_time(-1, requests_total[5m])", -math.inf),
        ("quantile_over_time(2, requests_total[5m])", math.inf),
        ("quantile_over_time(NaN, requests_total[5m])", math.nan),
        ("stdvar_over_time(requests_total[5m])", 72),
        ("stddev_over_time(requests_total[5m])", math.sqrt(72)),
    ],
)
def test_a_function_of_a_range_yields_prometheus_number_without_the_name(query: str, expected: float) -> None:
    assert_answer(stored(STEADY), query, {"{}": expected})


def test_the_last_value_of_a_range_keeps_its_name() -> None:
    assert_answer(stored(STEADY), "last_over_time(requests_total[5m])", {"requests_total": 60})


@pytest.mark.parametrize(
    ("series", "query", "expected"),
    [
        # Six samples in (4m, 10m]; the reset from 50 to 0 adds the 50 that were lost.
        ("c 0+10x5 0+10x5", "increase(c[6m])", (40 - 50 + 50) * 360 / 300),
        ("c 0+10x5 0+10x5", "rate(c[6m])", 40 / 300),
        ("c 0+10x5 0+10x5", "delta(c[6m])", -10 * 360 / 300),
        ("c 0+10x5 0+10x5", "resets(c[10m])", 1),
        ("c 0+10x5 0+10x5", "irate(c[6m])", 10 / 60),
        ("c 5 _x8 9 2", "irate(c[6m])", 2 / 60),
        ("c 5 _x8 9 2", "idelta(c[6m])", -7),
        # A counter that starts at zero is not stretched beyond its first sample.
        ("c _x6 0 1 2 3 4", "increase(c[10m])", 4),
        # Its line crosses zero 12 s before the first sample.
        ("c _x6 0.2 1.2 2.2 3.2 4.2", "increase(c[10m])", 4 * (240 + 12) / 240),
        # Without the limit at zero it is stretched by half an interval on the left.
        ("c _x6 1 2 3 4 5", "increase(c[10m])", 4 * (240 + 30) / 240),
        ("g _x6 0 1 2 3 4", "delta(g[10m])", 4 * (240 + 30) / 240),
        # Samples end 3 m before the end of the range: stretched by half an interval on the right.
        ("g 0+10x7", "delta(g[11m])", 70 * (420 + 60 + 30) / 420),
        ("c 3 _x9 3", "rate(c[10m1s])", 0),
        ("g 1 1 1 5 5 1 NaN NaN 1 1 1", "changes(g[11m])", 4),
        ("g NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN", "changes(g[11m])", 0),
        ("g _x8 NaN 2 3", "min_over_time(g[5m])", 2),
        ("g _x8 NaN 2 3", "max_over_time(g[5m])", 3),
        ("g _x9 NaN NaN", "max_over_time(g[5m])", math.nan),
        ("g _x8 NaN 2 3", "sum_over_time(g[5m])", math.nan),
        ("g _x8 Inf 2 3", "sum_over_time(g[5m])", math.inf),
        ("g _x8 Inf -Inf 3", "sum_over_time(g[5m])", math.nan),
        ("g _x8 Inf 2 3", "avg_over_time(g[5m])", math.inf),
        ("g _x8 1e308 1e308 1e308", "sum_over_time(g[5m])", math.inf),
        ("g _x8 1e308 1e308 1e308", "avg_over_time(g[5m])", 1e308),
        ("g _x7 1e100 1 -1e100 0", "sum_over_time(g[5m])", 1),
        ("g _x8 1.5990505637277868 1.5990505637277868 1.5990505637277868", "stdvar_over_time(g[5m])", 0),
        ("g _x8 Inf Inf 1", "stddev_over_time(g[5m])", math.nan),
        ("g _x8 NaN 2 4", "quantile_over_time(0.75, g[5m])", 3),
        ("g 4+0x10", "deriv(g[5m])", 0),
        ("g 4+0x10", "predict_linear(g[5m], 3600)", 4),
        ("g _x8 Inf Inf Inf", "deriv(g[5m])", math.nan),
        ("g 100-2x10", "predict_linear(g[10m], 600)", 60),
        ("g 100-2x10", "predict_linear(g[5m] offset 5m, 600)", 60),
        ("g 100-2x10", "predict_linear(g[5m], -60)", 82),
    ],
)
def test_the_corners_of_range_functions(series: str, query: str, expected: float) -> None:
    assert_answer(stored(series), query, {"{}": expected})


@pytest.mark.parametrize(
    "function", ["rate", "increase", "delta", "irate", "idelta", "deriv", "resets", "changes"]
)
def test_one_sample_has_no_change(function: str) -> None:
    answer = asked(stored("c 0+1x10"), f"{function}(c[1m])")
    assert answer == ([("{}", 0)] if function in ("resets", "changes") else [])


def test_a_counter_reset_does_not_make_the_rate_negative() -> None:
    ((_, value),) = asked(stored("c 1000+10x5 0+10x5"), "rate(c[10m])")
    assert value > 0


def test_series_that_only_their_names_tell_apart_cannot_lose_their_names() -> None:
    store = stored("a 0+1x10\nb 0+1x10")
    with pytest.raises(Exception, match="vector cannot contain metrics with the same labelset"):
        asked(store, 'rate({__name__=~"a|b"}[5m])')


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum_over_time(c[3m:1m])", {"{}": 27}),
        ("count_over_time(c[3m:])", {"{}": 3}),
        ("count_over_time(c[3m:30s])", {"{}": 6}),
        # Steps are absolute multiples: 7m30s and 9m, not counted from 10m.
        ("count_over_time(c[3m:90s])", {"{}": 2}),
        ("max_over_time(rate(c[2m])[5m:1m])", {"{}": 1 / 60}),
        ("max_over_time((c - 5)[4m:1m])", {"{}": 5}),
        ("sum_over_time(c[3m:1m] offset 2m)", {"{}": 21}),
        ("sum_over_time(c[3m:1m] @ 300)", {"{}": 12}),
        ("sum_over_time((c @ start())[3m:1m])", {"{}": 30}),
        ("last_over_time(c[3m:1m])", {"c": 10}),
        ("sum_over_time(sum_over_time(c[2m:1m])[2m:1m])", {"{}": 36}),
        ("avg_over_time(vector(3)[3m:1m])", {"{}": 3}),
        ("avg_over_time(vector(time())[2m:1m])", {"{}": 570}),
        ("absent_over_time(nothing[3m:1m])", {"{}": 1}),
        ("rate(c[5m:1m])", {"{}": 1 / 60}),
    ],
)
def test_a_subquery_is_evaluated_at_each_step(query: str, expected: dict[str, float]) -> None:
    assert_answer(stored("c 0+1x10"), query, expected)


def test_subqueries_within_subqueries_come_to_an_end() -> None:
    query = "max_over_time(" * 12 + "nothing" + "[5m:1m])" * 12
    with pytest.raises(Exception, match="more than 1000000 samples"):
        asked(stored("c 0+1x10"), query)
