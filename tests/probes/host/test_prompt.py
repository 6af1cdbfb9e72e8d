from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from model.conversation import Aside, Conversation
from model.plugin import AnyProbe, Deadline, Seen
from model.sample import Metric
from probes.host import BUNDLE
from probes.host.prompt import aside_where, at_once
from tests.probes.targets import values, within

NUMBER = Metric("node_number", "A number.")


def run(options: int, deadline: Deadline) -> Iterator[Seen]:
    deadline.left_s()
    yield NUMBER(100 / options)


def held(conversation: Conversation[Iterable[Seen]]) -> tuple[Iterable[Seen], int]:
    """Hold a conversation that asks for nothing but to be let do something aside."""
    asides = 0
    try:
        ask = next(conversation)
        while True:
            assert isinstance(ask, Aside)
            asides += 1
            ask = conversation.send(ask.job())
    except StopIteration as end:
        return end.value, asides


def test_a_run_that_waits_for_nobody_asks_for_nothing() -> None:
    told, asides = held(at_once(run)(4, within(5)))
    assert (values(told), asides) == ({"node_number": 25}, 0)


def test_a_run_that_may_wait_is_done_aside_where_there_is_something_to_ask() -> None:
    told, asides = held(aside_where(lambda options: options > 0, run)(4, within(5)))
    assert (values(told), asides) == ({"node_number": 25}, 1)
    assert held(aside_where(lambda options: options > 0, run)(0, within(5))) == ((), 0)


def test_what_goes_wrong_in_a_run_reaches_whoever_takes_its_samples() -> None:
    told, _ = held(at_once(run)(0, within(5)))
    with pytest.raises(ZeroDivisionError):
        list(told)
    with pytest.raises(ZeroDivisionError):
        held(aside_where(lambda _options: True, run)(0, within(5)))


@pytest.mark.parametrize("probe", [p for p in BUNDLE if p.converse], ids=lambda probe: probe.name)
def test_a_conversation_tells_the_series_that_a_run_tells(probe: AnyProbe) -> None:
    assert probe.converse is not None
    told, _ = held(probe.converse(probe.options(), within(5)))
    by_run = values(probe.look(probe.options())(within(5)))
    assert values(told).keys() == by_run.keys()
