"""A request is what stands in the playbook, and never to a link-local address."""

from __future__ import annotations

import pytest

from model.deed import CallHttp
from model.misfit import Rejected
from tests.remediations.actions.planning import planned


@pytest.mark.parametrize(
    ("text", "words"),
    [("{url: 'http://127.0.0.1:8080/purge', method: POST}", "call POST http://127.0.0.1:8080/purge")],
)
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("http", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{url: 'http://169.254.169.254/'}", "link-local or a cloud's metadata"),
        ("{url: 'http://10.0.0.1/'}", "is private"),
        ("{url: 'http://[fe80::1]/'}", "link-local"),
        ("{url: 'file:///etc/passwd'}", "is not a web address"),
        ("{url: 'http://a:b@127.0.0.1/'}", "is not a web address"),
        ("{url: 'http://127.0.0.1/{{ labels.x }}'}", "is not a web address"),
        ("{url: 'http://2130706433/'}", "is no address"),
        ("{url: 'http://127.0.0.1/', expect: {regexp: '('}}", "is not a regular expression"),
        ("{url: 'http://127.0.0.1/', content_type: \"a/b\\r\\nX: y\"}", "no type of content"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("http", text)


def test_a_request_carries_what_is_written() -> None:
    text = (
        "{url: 'https://10.0.0.1/x', allow_private: true, expect: {status: [204], regexp: ok}, timeout: 3s}"
    )
    assert planned("http", text) == [
        CallHttp("GET", "https://10.0.0.1/x", expect=(204,), pattern="ok", allow_private=True, timeout_s=3)
    ]
