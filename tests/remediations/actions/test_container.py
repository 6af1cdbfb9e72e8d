"""A container is brought to a state through its engine; one that was stopped can be started again."""

from __future__ import annotations

import pytest

from model.deed import BringContainer
from model.misfit import Rejected
from tests.remediations.actions.planning import planned, undone


@pytest.mark.parametrize(
    ("text", "words"), [("{name: web, state: restarted}", "bring the container web to restarted")]
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("container", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{name: ../web, state: started}", "is not a container's name"),
        ("{name: 'web?force=1', state: started}", "is not a container's name"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("container", text)


def test_what_was_stopped_can_be_started_again() -> None:
    [start] = undone("container", "{name: web, state: stopped}")
    assert start == BringContainer("web", "started", "/run/docker.sock", 10.0, back=True)
    assert undone("container", "{name: web, state: restarted}") == []


def test_each_engine_has_its_socket_unless_one_is_named() -> None:
    for text, path in (("engine: podman", "/run/podman/podman.sock"), ("socket: /run/x", "/run/x")):
        assert planned("container", f"{{name: web, state: started, {text}}}") == [
            BringContainer("web", "started", path, 10.0)
        ]
