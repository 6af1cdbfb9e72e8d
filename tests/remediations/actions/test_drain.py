"""A server is taken out of the traffic and put back."""

from __future__ import annotations

import pytest

from model.deed import SetHaproxyServer
from model.misfit import Rejected
from tests.remediations.actions.planning import argvs, planned, touched, undone


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "drain",
            "{haproxy: {socket: /run/haproxy.sock, backend: shop, server: web1}}",
            "set the server shop/web1 of HAProxy to drain",
        ),
        ("drain", "{command: {drain: [lb, out], ready: [lb, in]}}", "run lb out"),
        ("undrain", "{command: {drain: [lb, out], ready: [lb, in]}}", "run lb in"),
    ],
)
def test_the_first_step_says_what_it_does(name: str, text: str, words: str) -> None:
    assert str(planned(name, text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("drain", "{}", "a drain is by haproxy or by command"),
        ("drain", "{haproxy: {socket: /s, backend: 'a b', server: x}}", "is not a name"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned(name, text)


def test_a_drained_server_can_be_put_back() -> None:
    [ready] = undone("drain", "{haproxy: {socket: /s, backend: shop, server: web1}}")
    assert isinstance(ready, SetHaproxyServer)
    assert ready.state == "ready"
    assert argvs(undone("drain", "{command: {drain: [lb, out], ready: [lb, in]}}")) == ["lb in"]


def test_two_servers_of_a_backend_are_never_worked_on_at_once() -> None:
    both = [
        touched("drain", f"{{haproxy: {{socket: /s, backend: shop, server: {one}}}}}") for one in ("a", "b")
    ]
    assert both == [{"backend:shop"}, {"backend:shop"}]
