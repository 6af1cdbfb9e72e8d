from __future__ import annotations

import pytest

from rules.promql import compile_query
from rules.spelling import spelled

WRITTEN = {
    "up": "up",
    'up{job="a", x!~"b|c"}': 'up{job="a", x!~"b|c"}',
    '{job="a"}': '{job="a"}',
    '{"my.metric", job="a"}': '{"my.metric", job="a"}',
    'up{x="\\"\\n\\\\"}': 'up{x="\\"\\n\\\\"}',
    "rate(x[5m])": "rate(x[5m])",
    "rate(x[90s] offset 1h30m)": "rate(x[1m30s] offset 1h30m)",
    "x offset -5m": "x offset -5m",
    "x @ 1700000000.5": "x @ 1700000000.500",
    "x @ end() offset 1m": "x @ end() offset 1m",
    "max_over_time(rate(x[1m])[5m:30s])": "max_over_time(rate(x[1m])[5m:30s])",
    "max_over_time((a + b)[5m:])": "max_over_time((a + b)[5m:])",
    "1 - avg by (a, b) (x) * 2": "1 - (avg by (a, b) (x) * 2)",
    "sum without (a) (x)": "sum without (a) (x)",
    "sum without () (x)": "sum without () (x)",
    "topk(3, x)": "topk(3, x)",
    'count_values("v", x)': 'count_values("v", x)',
    "a / on (i) group_left (v) b": "a / on (i) group_left (v) b",
    "a * ignoring (i) group_right () b": "a * ignoring (i) group_right () b",
    "a > bool 1": "a > bool 1",
    "a and on () b": "a and on () b",
    "-x ^ 2": "-(x ^ 2)",
    "(-x) ^ 2": "(-x) ^ 2",
    "2 ^ 3 ^ x": "2 ^ (3 ^ x)",
    "x > -Inf or y < NaN": "(x > (-Inf)) or (y < NaN)",
    "x == 1e300": "x == 1e+300",
    'label_replace(x, "a", "$1", "b", "(.*)")': 'label_replace(x, "a", "$1", "b", "(.*)")',
    "absent(((x)))": "absent(x)",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_an_expression_is_written_out_as_it_is_meant(text: str) -> None:
    assert spelled(compile_query(text).tree) == WRITTEN[text]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_written_out_means_the_same(text: str) -> None:
    written = spelled(compile_query(text).tree)
    assert spelled(compile_query(written).tree) == written
