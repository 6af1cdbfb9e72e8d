from __future__ import annotations

import math

import pytest

from rules.promql import QueryError
from tests.rules.promql.series import asked, assert_answer, stored

REQUESTS = """
    requests{job="api",host="x",code="200"} 100+0x10
    requests{job="api",host="y",code="200"} 200+0x10
    requests{job="api",host="x",code="500"} 10+0x10
    requests{job="web",host="x",code="200"} 30+0x10
    odd{n="1"} NaN+0x10
    odd{n="2"} 4+0x10
    odd{n="3"} 2+0x10
"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(requests)", {"{}": 340}),
        ("sum by () (requests)", {"{}": 340}),
        ("sum by (job) (requests)", {'{job="api"}': 310, '{job="web"}': 30}),
        ("sum(requests) by (job)", {'{job="api"}': 310, '{job="web"}': 30}),
        ("SUM BY (job,) (requests)", {'{job="api"}': 310, '{job="web"}': 30}),
        ("sum without (host, code) (requests)", {'{job="api"}': 310, '{job="web"}': 30}),
        ("sum by (job, zone) (requests)", {'{job="api"}': 310, '{job="web"}': 30}),
        ("sum by (__name__) (requests)", {"requests": 340}),
        ("sum by (by) (requests)", {"{}": 340}),
        ("avg by (host) (requests)", {'{host="x"}': 140 / 3, '{host="y"}': 200}),
        ("min(requests)", {"{}": 10}),
        ("max(requests)", {"{}": 200}),
        ("count by (code) (requests)", {'{code="200"}': 3, '{code="500"}': 1}),
        ("group by (job) (requests)", {'{job="api"}': 1, '{job="web"}': 1}),
        ("stdvar(requests)", {"{}": (15**2 + 115**2 + 75**2 + 55**2) / 4}),
        ("stddev(requests)", {"{}": math.sqrt((15**2 + 115**2 + 75**2 + 55**2) / 4)}),
        ("quantile(0.5, requests)", {"{}": 65}),
        ("quantile by (job) (1, requests)", {'{job="api"}': 200, '{job="web"}': 30}),
        ("quantile(-1, requests)", {"{}": -math.inf}),
        ("quantile(2, requests)", {"{}": math.inf}),
        ("quantile(NaN, requests)", {"{}": math.nan}),
        ("quantile(0.75, odd)", {"{}": 3}),
        ("sum(nothing)", {}),
        ("count(nothing)", {}),
        ("sum(nothing) or vector(0)", {"{}": 0}),
        ("min(odd)", {"{}": 2}),
        ("max(odd)", {"{}": 4}),
        ("sum(odd)", {"{}": math.nan}),
        ('max(odd{n="1"})', {"{}": math.nan}),
        (
            "topk(2, requests)",
            {
                'requests{code="200", host="x", job="api"}': 100,
                'requests{code="200", host="y", job="api"}': 200,
            },
        ),
        ("bottomk(1, requests)", {'requests{code="500", host="x", job="api"}': 10}),
        (
            "topk by (code) (1, requests)",
            {
                'requests{code="200", host="y", job="api"}': 200,
                'requests{code="500", host="x", job="api"}': 10,
            },
        ),
        ("topk(0, requests)", {}),
        ("topk(1.9, requests) > 0", {'requests{code="200", host="y", job="api"}': 200}),
        ("topk(2, odd)", {'odd{n="2"}': 4, 'odd{n="3"}': 2}),
        ("bottomk(2, odd)", {'odd{n="2"}': 4, 'odd{n="3"}': 2}),
        ("topk(scalar(vector(1)), odd)", {'odd{n="2"}': 4}),
        ('count_values("v", requests)', {'{v="10"}': 1, '{v="100"}': 1, '{v="200"}': 1, '{v="30"}': 1}),
        (
            'count_values by (job) ("v", requests > 50)',
            {'{job="api", v="100"}': 1, '{job="api", v="200"}': 1},
        ),
        (
            'count_values without (host, code) ("v", requests > 50)',
            {'{job="api", v="100"}': 1, '{job="api", v="200"}': 1},
        ),
        ('count_values("v", requests > bool 50)', {'{v="0"}': 2, '{v="1"}': 2}),
        ('count_values("v", odd / 0)', {'{v="+Inf"}': 2, '{v="NaN"}': 1}),
        ('count_values("v", vector(1e21))', {'{v="1000000000000000000000"}': 1}),
        ('count_values("v", vector(0.00001))', {'{v="0.00001"}': 1}),
        ('count_values("v", vector(-0.5))', {'{v="-0.5"}': 1}),
        ("sum(sum by (job) (requests))", {"{}": 340}),
        ("sum by (job) (rate(requests[5m])) == 0", {'{job="api"}': 0, '{job="web"}': 0}),
        ("max by (job) (requests) / on(job) min by (job) (requests)", {'{job="api"}': 20, '{job="web"}': 1}),
    ],
)
def test_groups_are_aggregated_as_in_prometheus(query: str, expected: dict[str, float]) -> None:
    assert_answer(stored(REQUESTS), query, expected)


def test_the_best_come_first() -> None:
    assert [value for _, value in asked(stored(REQUESTS), "topk(3, requests)")] == [200, 100, 30]
    assert [value for _, value in asked(stored(REQUESTS), "bottomk(3, requests)")] == [10, 30, 100]


@pytest.mark.parametrize("count", ["NaN", "Inf", "-Inf", "1e30"])
def test_a_count_of_series_that_is_none_fails(count: str) -> None:
    with pytest.raises(QueryError, match="no count of series"):
        asked(stored(REQUESTS), f"topk({count}, requests)")


def test_sums_do_not_lose_small_values_between_large_ones() -> None:
    store = stored('v{n="1"} 1e100\nv{n="2"} 1\nv{n="3"} -1e100')
    assert asked(store, "sum(v)", "0") == [("{}", 1)]
    store = stored('v{n="1"} 1e308\nv{n="2"} 1e308')
    assert asked(store, "avg(v)", "0") == [("{}", 1e308)]
    assert asked(store, "sum(v)", "0") == [("{}", math.inf)]
