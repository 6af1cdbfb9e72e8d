from __future__ import annotations

import pytest

from model.misfit import Misfit
from model.plugin import Deadline
from rules.promql import Limits, QueryError, compile_query
from tests.rules.promql.series import stored

MANY = "\n".join(f'm{{n="{n}"}} 0+1x60' for n in range(50))


class Clock:
    """A clock that a look at moves on."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self.at_s = 0.0

    def __call__(self) -> float:
        self.at_s += self._step_s
        return self.at_s


@pytest.mark.parametrize(
    ("query", "sentence", "offset"),
    [
        ("rate(x[10y])", "the range 10y is too long", 5),
        ("1 + max_over_time(rate(x[5m])[2y:1h])", "the range 2y is too long", 18),
        ("max_over_time(x[1w:1s])", "the subquery takes too many steps", 14),
        ("sum(max_over_time(x[31d:]))", "the subquery takes too many steps", 18),
    ],
)
def test_what_is_too_long_is_refused_where_it_stands(query: str, sentence: str, offset: int) -> None:
    with pytest.raises(Misfit) as wrong:
        compile_query(query)
    assert (wrong.value.sentence, wrong.value.offset) == (sentence, offset)


def test_the_limits_can_be_set_otherwise() -> None:
    day = Limits(range_max_ms=86_400_000)
    with pytest.raises(Misfit, match=r"the longest range is 1d"):
        compile_query("rate(x[25h])", limits=day)
    compile_query("rate(x[10y])", limits=Limits(range_max_ms=1 << 50))


@pytest.mark.parametrize("query", ["m", "sum(m)", "rate(m[5m])", "count_over_time(m[5m:1m])"])
def test_a_selector_that_means_too_many_series_fails_its_rule_alone(query: str) -> None:
    store = stored(MANY)
    with pytest.raises(QueryError, match="a selector means 50 series, more than 49"):
        compile_query(query, limits=Limits(series_max=49)).at(store, 3_600_000)
    assert compile_query(query, limits=Limits(series_max=50)).at(store, 3_600_000)


@pytest.mark.parametrize("query", ["sum(rate(m[1h]))", "max_over_time(sum(m)[1h:1m])"])
def test_an_evaluation_that_reads_too_many_samples_fails(query: str) -> None:
    with pytest.raises(QueryError, match="the query reads more than 1000 samples"):
        compile_query(query, limits=Limits(samples_max=1000)).at(stored(MANY), 3_600_000)


def test_an_evaluation_that_takes_too_long_fails() -> None:
    query, store = compile_query("max_over_time(sum(m)[1h:1s])"), stored(MANY)
    with pytest.raises(QueryError, match="the query takes too long"):
        query.at(store, 3_600_000, Deadline(1.0, Clock(0.1)))
    assert query.at(store, 3_600_000, Deadline(1.0, Clock(0.001)))


def test_the_clock_is_looked_at_now_and_then_and_not_for_each_sample() -> None:
    clock = Clock(1e-6)
    compile_query("max_over_time(sum(m)[1h:1s])").at(stored(MANY), 3_600_000, Deadline(1.0, clock))
    assert 10 < round(clock.at_s / 1e-6) < 100


def test_a_query_over_too_many_steps_fails() -> None:
    with pytest.raises(QueryError, match="more than 11000 steps"):
        compile_query("m").between(stored(MANY), 0, 12_000, 1)
