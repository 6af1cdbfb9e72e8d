from __future__ import annotations

import pytest

from model.deed import (
    RestoreFile,
    WriteFile,
)
from model.misfit import Rejected
from remediations.apart.packing import pack, unpack
from tests.remediations.actions.planning import planned, undone


def test_a_file_is_planned_word_for_word_with_its_validation_and_undo() -> None:
    text = (
        "path: /etc/app.conf\ncontent: 'port={{ port }}'\nmode: 0640\nowner: root\ngroup: app\n"
        "validate: [appctl, -t, -c, '%s']"
    )
    judge = ("appctl", "-t", "-c", "/etc/.app.conf.beforehand")
    [step] = planned("file", text)
    assert step == WriteFile("/etc/app.conf", "present", "port={{ port }}", 0o640, "root", "app", judge)
    assert unpack(pack(step), (type(step),)) == step
    assert undone("file", text) == [RestoreFile("/etc/app.conf")]
    assert planned("file", "{path: /etc/x, state: absent}") == [WriteFile("/etc/x", "absent")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{path: /etc/x}", "nothing is said"),
        ("{path: /etc/x, state: absent, content: a}", "has no content"),
        ("{path: /etc/x, state: touch, content: a}", "has no content"),
        ("{path: /etc/shadow, content: a}", "decides who may do what"),
        ("{path: /etc/sudoers.d/x, content: a}", "decides who may do what"),
        ("{path: /etc/../etc/shadow, content: a}", "says what it means"),
        ("{path: x, content: a}", "says what it means"),
        ("{path: /etc/x, content: a, mode: 4755}", "is not a mode"),
        ("{path: /etc/x, content: a, mode: 0666}", "everybody may write"),
        ("{path: /etc/x, content: a, owner: '0; reboot'}", "not the name of a user"),
        ("{path: /etc/x, content: a, validate: [true]}", "as %s"),
        ("{path: /etc/x, content: a, validate: [sh, -c, 'cat %s']}", "is a shell"),
        ("{path: /etc/x, content: 'host={{ labels.instance }}'}", "values are not filled into files"),
        ("{path: /etc/x, content: 'host={{ $labels.instance }}'}", "values are not filled into files"),
    ],
)
def test_a_file_that_could_do_harm_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("file", text)


def test_a_text_too_long_for_a_file_is_refused() -> None:
    with pytest.raises(Rejected, match="longer than"):
        planned("file", f"{{path: /etc/x, content: {'a' * 20_000}}}")
