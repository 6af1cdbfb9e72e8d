from __future__ import annotations

import pytest

from model.decode import decode
from model.deed import WaitFor
from model.misfit import Rejected
from model.step import Host
from remediations.actions.wait_for import ACTION, Options


def planned(text: str) -> list[object]:
    return list(ACTION.plan(decode(text.encode(), "f", Options), Host(has_systemd=False)))


def test_a_port_is_awaited_open_unless_it_is_to_be_closed() -> None:
    assert planned("{port: 80}") == [WaitFor(port=80)]
    assert planned("{port: 80, state: stopped, timeout: 5s}") == [WaitFor(port=80, gone=True, timeout_s=5)]


def test_a_path_is_awaited_there_unless_it_is_to_be_gone() -> None:
    assert planned("{path: /run/app.pid}") == [WaitFor(path="/run/app.pid")]
    assert planned("{path: /run/lock, state: absent}") == [WaitFor(path="/run/lock", gone=True)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "wait for a port or for a path"),
        ("{port: 80, path: /x}", "wait for a port or for a path"),
        ("{port: 0}", "0 is not a port"),
        ("{path: run/x}", "is not an absolute path"),
        ("{port: 80, state: absent}", "a port is started or stopped"),
        ("{port: 80, timeout: 1h}", "the time is out of range"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text.encode(), "f", Options)
