"""A parameter of the kernel is one of a list, within bounds, and can be given its value back."""

from __future__ import annotations

import pytest

from model.deed import RestoreKernel
from model.misfit import Rejected
from model.plugin import Unplannable
from tests.remediations.actions.planning import BARE, planned, undone


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{key: vm.swappiness, value: 10}", "set vm.swappiness to 10"),
        ("{key: fs.file-max, value: 900000, revert_after: 1h}", "set fs.file-max to 900000 for 3600s"),
    ],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("sysctl", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{key: vm.swappiness, value: 1, revert_after: 1h}", "cannot revert by itself")]
)
def test_what_this_host_cannot_do_is_not_planned(text: str, sentence: str) -> None:
    with pytest.raises(Unplannable, match=sentence):
        planned("sysctl", text, BARE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{key: kernel.core_pattern, value: 1}", "is not among what may be set"),
        ("{key: vm.swappiness, value: 500}", "500 is out of bounds"),
        ("{key: vm.swappiness, value: 10, revert_after: 1s}", "the time is out of range"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("sysctl", text)


def test_the_earlier_value_can_be_given_back() -> None:
    assert undone("sysctl", "{key: vm.swappiness, value: 10}") == [RestoreKernel("vm.swappiness")]
