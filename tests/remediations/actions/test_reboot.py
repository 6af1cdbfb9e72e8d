"""A reboot has a reason and a delay, waits for others, and can be called off."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.step import Risk
from tests.remediations.actions.planning import argvs, asked, planned, risk, undone


@pytest.mark.parametrize(
    ("text", "words"), [("{reason: a new kernel, delay: 5m}", "run shutdown -r +5 'a new kernel'")]
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("reboot", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{reason: '-h'}", "the reason is no sentence"), ("{reason: now, delay: 10s}", "write whole minutes")],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("reboot", text)


def test_a_reboot_can_be_called_off() -> None:
    assert argvs(undone("reboot", "{reason: why not}")) == ["shutdown -c"]
    assert risk("reboot") is Risk.IRREVERSIBLE


def test_whoever_is_in_the_middle_of_something_is_looked_for_by_one_guard_alone() -> None:
    assert asked("reboot", "{reason: why not}") == []
