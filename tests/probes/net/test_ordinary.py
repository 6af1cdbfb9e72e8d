"""The ordinary way to ask and the whole machinery tell the same, whatever the target does."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.conversation import CaughtUp, Connect, Conversation, Receive, Send
from model.decode import decode
from model.plugin import Deadline, DeadlinePassed, Remark
from model.sample import Sample, Samples
from probes.net import http
from probes.net.cookies import Cookies
from probes.net.ordinary import whole
from tests.probes.targets import page

OWN = ("127.0.0.1", 50_000)
TARGET = "target: 'http://127.0.0.1:80/'"
TIMES = ("probe_duration_seconds", "probe_http_duration_seconds")

Told = Iterable[Sample | Remark]


def clock() -> Deadline:
    return Deadline(time.monotonic() + 60, time.monotonic)


def held(conversation: Conversation[Told], answers: Iterable[object]) -> Told:
    """Hold a conversation with these answers to ``Receive``, or these errors; later ones ask in vain."""
    left = iter(answers)
    try:
        ask = next(conversation)
        while True:
            answer: object = None
            if isinstance(ask, Receive):
                answer = next(left, b"")
            elif isinstance(ask, Connect):
                answer = OWN
            ask = conversation.throw(answer) if isinstance(answer, Exception) else conversation.send(answer)
    except StopIteration as end:
        told: Told = end.value
        return told


def wholly(options: http.Options) -> Conversation[Told]:  # type: ignore[name-defined]  # it is there at run time
    return http.samples((yield from http.exchanges(options, clock(), Cookies())))


def without_times(told: Told) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for one in told:
        if isinstance(one, Sample) and one.labels.name not in TIMES:
            found[str(one.labels)] = one.value
        elif isinstance(one, Remark):
            found[f"remark {one.labels}"] = one.text
    return found


def same(answers: list[object], more: str = "") -> Told:
    """Hold both with the same answers; return what the ordinary way told."""
    options = decode(f"{{{TARGET}{more}}}".encode(), "f", http.PROBE.options)
    assert options.ordinary is not None
    told = held(http.converse(options, clock()), answers)
    assert without_times(told) == without_times(held(wholly(options), answers))
    return told


MOVED = page(b"", "Location: /b", status="302 X")
PIECES = [
    page(),
    page(b"x" * 100),
    page(status="404 X"),
    page(b""),
    MOVED,
    b"",
    b"hello\r\n\r\n",
    b"HTTP/1.1 200",
]
FIELDS = [
    "Content-Length: 5", "Content-Length: 6", "X-Content-Length: 3", "Transfer-Encoding: chunked",
    "Content-Encoding: gzip", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Set-Cookie: a=b",
    "Location: /c",
    "A: b\rc", " folded", "no colon", "Content-Length:5", "content-length:\t5 ", "Content-Length: -5", "X:",
]  # fmt: skip  # short ones on one line


@pytest.mark.parametrize("answer", [page(), page(b"x" * 60_000), page(b"", "X: y"), page(status="203 X")])
def test_an_ordinary_answer_is_told_at_once(answer: bytes) -> None:
    assert whole(answer) is not None
    assert isinstance(same([answer]), Samples)


@pytest.mark.parametrize("piece", PIECES)
def test_any_piece_is_judged_alike(piece: bytes) -> None:
    for cut in range(0, len(piece) + 1, 7):
        same([piece[:cut], piece[cut:], page()])


@given(
    st.lists(st.sampled_from(FIELDS), max_size=4),
    st.sampled_from(["200 OK", "204 No", "304 X", "404 X", "302 X", "100 Go on", "20 X", "200"]),
    st.sampled_from([b"", b"hello", b"hello!", b"5\r\nhello\r\n0\r\n\r\n"]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_any_head_is_judged_alike(fields: list[str], status: str, body: bytes, end: str) -> None:
    head = end.join([f"HTTP/1.1 {status}", *fields, "", ""])
    same([head.encode() + body])


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_alike(data: bytes) -> None:
    same([data])
    same([page()[:20] + data])


@pytest.mark.parametrize("wrong", [ConnectionResetError(104, "Connection reset by peer"), DeadlinePassed()])
@pytest.mark.parametrize("before", [[], [page()[:30]]])
def test_what_breaks_is_judged_alike(wrong: Exception, before: list[bytes]) -> None:
    told = same([*before, wrong])
    assert without_times(told)["probe_success"] == 0


@pytest.mark.parametrize(
    "more",
    [
        ", fail_if_body_matches_regexp: [hel]",
        ", fail_if_body_not_matches_regexp: [hel]",
        ", valid_status_codes: [404]",
        ", fail_if_ssl: true",
        ", method: POST, body: x",
        ", follow_redirects: false",
    ],
)
def test_what_is_expected_is_judged_alike(more: str) -> None:
    for piece in PIECES:
        same([piece, page()], more)


@pytest.mark.parametrize(
    "more",
    [
        ", method: HEAD",
        ", body_size_limit: 100",
        ", fail_if_not_ssl: true",
        ", compression: gzip",
        ", preferred_ip_protocol: ip6, ip_protocol_fallback: false",
        ", fail_if_header_matches: [{header: X, regexp: y}]",
    ],
)
def test_what_is_not_ordinary_is_not_tried_so(more: str) -> None:
    assert decode(f"{{{TARGET}{more}}}".encode(), "f", http.PROBE.options).ordinary is None


def test_the_phases_of_an_exchange_that_went_wrong_late_are_kept() -> None:
    ticks = iter(range(1000))
    deadline = Deadline(10_000, lambda: float(next(ticks)))
    options = decode(f"{{{TARGET}}}".encode(), "f", http.PROBE.options)
    told = held(http.converse(options, deadline), [page()[:30], b""])
    phases = {str(one.labels): one.value for one in told if isinstance(one, Sample)}
    assert phases['probe_http_duration_seconds{phase="connect"}'] >= 1
    assert phases['probe_http_duration_seconds{phase="processing"}'] >= 1


def test_who_catches_up_is_told_what_was_heard_and_goes_on() -> None:
    def counting() -> Conversation[list[object]]:
        heard: list[object] = []
        while len(heard) < 4:
            try:
                heard.append((yield Send(b"")))
            except OSError as wrong:
                heard.append(str(wrong))
        return heard

    conversation = CaughtUp(counting(), [1, OSError("two")])
    assert next(conversation) == Send(b"")
    assert conversation.throw(OSError("three")) == Send(b"")
    with pytest.raises(StopIteration) as end:
        conversation.send(4)
    assert end.value.value == [1, "two", "three", 4]
