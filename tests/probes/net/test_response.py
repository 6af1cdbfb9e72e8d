from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.net.connect import Unhealthy
from probes.net.response import Head, parse_head


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: "]),
)
def test_any_bytes_are_a_head_or_a_fact(data: bytes, start: bytes) -> None:
    try:
        head = parse_head(start + data)
    except Unhealthy:
        return
    assert isinstance(head, Head)
    assert head.content_length >= -1


def test_a_head_is_read() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 5 \r\nX-Long: a\r\n  b\r\nSet-Cookie:")
    assert (head.version, head.status, head.content_length) == ("1.1", 200, 5)
    assert head.get("x-long") == "a b"
    assert head.get("set-cookie") == ""
    assert head.get("missing") == ""


def test_a_head_with_bare_line_feeds_and_no_reason_is_read() -> None:
    assert parse_head(b"HTTP/1.0 204\nA: b").status == 204


def test_a_chunked_body_has_no_length() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked")
    assert head.content_length == -1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2",
        b"ICY 200 OK",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\nna me: x",
        b"HTTP/1.1 200 OK\r\n: x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000,
    ],
)
def test_an_odd_head_is_a_fact_about_its_sender(data: bytes) -> None:
    with pytest.raises(Unhealthy):
        parse_head(data)
