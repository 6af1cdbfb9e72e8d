from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from agent.api.evaluation import SLICE_S, TOO_HEAVY, Evaluation, anchored, evaluated
from agent.api.parameters import Unanswered
from model.labels import Labels
from model.sample import Sample
from rules.promql import compile_query
from rules.store.store import Store

T0 = 1_700_000_000_000
TARGET = Labels.of(job="node", instance="a")


def filled(series: int, rows: int) -> Store:
    store = Store(24 * 3_600_000, series)
    labels = [Labels.of(__name__=f"m{index % 10}", n=str(index)) for index in range(series)]
    for row in range(rows):
        store.write(TARGET, T0 + row * 10_000, [Sample(each, float(row)) for each in labels])
    return store


class Ticks:
    """A clock that passes a fixed time whenever it is read."""

    def __init__(self, tick_s: float) -> None:
        self.now_s, self._tick_s = 0.0, tick_s

    def __call__(self) -> float:
        self.now_s += self._tick_s
        return self.now_s


def test_a_long_query_is_done_in_slices() -> None:
    evaluation = Evaluation(
        compile_query("m0"), range(T0, T0 + 100_000, 1000), filled(10, 1), Ticks(SLICE_S / 10)
    )
    slices = 1
    while not evaluation.advance():
        slices += 1
    assert 5 < slices < 50
    ((times, values),) = evaluation.found.values()
    assert len(times) == len(values) == 100


def test_a_query_whose_moments_turn_out_too_long_ends() -> None:
    evaluation = Evaluation(compile_query("m0"), range(T0, T0 + 9000, 1000), filled(10, 1), Ticks(0.1))
    with pytest.raises(Unanswered, match="one moment of the query takes longer than 80 ms"):
        evaluated(evaluation, lambda question: question(), 60)


@pytest.mark.parametrize(
    "text",
    [
        "count({n=~'.+'})",
        "max_over_time(m0[2h])",
        "max_over_time(sum(rate(m0[5m]))[2h:1s])",
        "label_replace({n=~'.+'}, 'a', '$1', 'n', '(.*)')",
    ],
)
def test_a_moment_that_would_be_too_long_is_not_begun(text: str) -> None:
    store = filled(17_000, 1)
    for row in range(1, 800):
        store.write(
            TARGET,
            T0 + row * 10_000,
            [Sample(Labels.of(__name__="m0", n=str(n)), 1.0) for n in range(0, 500, 10)],
        )
    found = Evaluation(compile_query(text), range(T0 + 8_000_000, T0 + 8_000_001), store, lambda: 0.0)
    assert found.advance()
    assert (found.trouble, found.found) == (TOO_HEAVY, {})


def test_a_dashboard_of_a_host_is_never_too_heavy() -> None:
    store = filled(1_200, 40)
    for text in (
        "count({n=~'.+'})",
        "sum by (n) (rate(m0[5m]))",
        "topk(5, {n=~'.+'})",
        "avg_over_time(m1[1h])",
    ):
        found = Evaluation(compile_query(text), range(T0 + 390_000, T0 + 390_001), store, lambda: 0.0)
        assert (found.advance(), found.trouble) == (True, ""), text
        assert found.found


def test_the_loop_goes_on_between_two_slices() -> None:
    """A loop as small as can be: it turns, and answers one question in each turn."""
    asked: deque[tuple[Callable[[], bool], Future[bool]]] = deque()

    def ask(question: Callable[[], bool]) -> bool:
        answer: Future[bool] = Future()
        asked.append((question, answer))
        return answer.result(10)

    evaluation = Evaluation(
        compile_query("m0"), range(T0, T0 + 50_000, 1000), filled(10, 1), Ticks(SLICE_S / 5)
    )
    found: list[int] = []
    asker = threading.Thread(target=lambda: found.append(len(evaluated(evaluation, ask, 60))))
    asker.start()
    turns = 0
    while asker.is_alive():
        if asked:
            question, answer = asked.popleft()
            answer.set_result(question())
            turns += 1
        asker.join(0.001)
    assert found == [1]
    assert turns > 5


def test_start_and_end_are_written_out_and_nothing_else_is() -> None:
    text = "a @ start() + b[5m] @ END( ) offset 1m + c{x='@ start()'} + start"
    assert anchored(text, 1500, -2000) == ("a @ 1.500 + b[5m] @ -2.000 offset 1m + c{x='@ start()'} + start")
