"""A clock is set right by at most a second."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.plugin import Unplannable
from tests.remediations.actions.planning import BARE, planned


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "set the clock by chrony, by at most 1s"),
        ("{tool: timesyncd, step_max: 500ms}", "set the clock by timesyncd, by at most 0.5s"),
    ],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("sync_time", text)[0]).startswith(words)


@pytest.mark.parametrize(("text", "sentence"), [("{tool: timesyncd}", "systemd does not run here")])
def test_what_this_host_cannot_do_is_not_planned(text: str, sentence: str) -> None:
    with pytest.raises(Unplannable, match=sentence):
        planned("sync_time", text, BARE)


@pytest.mark.parametrize(("text", "sentence"), [("{step_max: 5s}", "a step is at most 1s")])
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("sync_time", text)
