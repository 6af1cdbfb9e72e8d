from __future__ import annotations

import pytest

from model.deed import (
    EditLine,
    RestoreFile,
)
from model.misfit import Rejected
from remediations.apart.packing import pack, unpack
from tests.remediations.actions.planning import planned, undone


def test_a_line_is_planned_as_it_is_written() -> None:
    text = "{path: /etc/app.conf, line: max=2, regexp: ^max=, insertafter: '^.limits', create: true}"
    [step] = planned("line", text)
    assert step == EditLine("/etc/app.conf", "max=2", "^max=", after="^.limits", create=True)
    assert unpack(pack(step), (type(step),)) == step
    assert undone("line", text) == [RestoreFile("/etc/app.conf")]
    gone = "{path: /etc/app.conf, regexp: ^max=, state: absent}"
    assert planned("line", gone) == [EditLine("/etc/app.conf", "", "^max=", gone=True)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{path: /etc/x}", "no line is given"),
        ("{path: /etc/x, state: absent}", "no line is given"),
        ('{path: /etc/x, line: "a\\nb"}', "more than one line"),
        ("{path: /etc/x, line: a, regexp: '.*'}", "found in an empty line"),
        ("{path: /etc/x, line: a, regexp: '(?=x)'}", "not RE2"),
        ("{path: /etc/x, line: a, insertafter: b, insertbefore: c}", "after or before"),
        ("{path: /etc/x, line: a, insertafter: BOF}", "BOF is to insert before"),
        ("{path: /etc/shadow, line: a}", "decides who may do what"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("line", text)
