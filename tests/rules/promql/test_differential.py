from __future__ import annotations

import math

import pytest

from model.labels import Labels
from tests.rules.promql.differential import Refused, difference, differences, serving, stored
from tests.rules.promql.generated import series

SEED = 7
COUNT = 300


@pytest.mark.needs("prometheus")
def test_generated_expressions_mean_what_they_mean_in_prometheus() -> None:
    made = list(series(SEED))
    with serving(made) as prometheus:
        answers = list(differences(prometheus, stored(made), SEED, COUNT))
    assert [(question, differs) for question, _, differs in answers if differs] == []
    # The generator must not end up asking what has no answer.
    assert sum(kind == "value" for _, kind, _ in answers) > COUNT // 2


def test_answers_that_differ_are_told_apart() -> None:
    one, other = Labels.of(a="1"), Labels.of(a="2")
    answer = {one: [(0, 1.0)]}
    assert difference(answer, {one: [(0, 1.0 + 1e-12)]}) == ""
    assert difference({one: [(0, math.nan)]}, {one: [(0, math.nan)]}) == ""
    assert difference(Refused("so"), Refused("otherwise")) == ""
    for unlike in ({one: [(0, 1.001)]}, {one: [(1, 1.0)]}, {other: [(0, 1.0)]}, {}, {one: [(0, math.nan)]}):
        assert difference(answer, unlike)
    assert difference(answer, Refused("so")) == "only we refuse: so"
    assert difference(Refused("so"), answer) == "only Prometheus refuses: so"
