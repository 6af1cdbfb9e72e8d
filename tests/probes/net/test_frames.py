from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.net.frames import BINARY, CLOSE, PING, TEXT, BrokenFrame, Frame, Frames, accepted, masked


def fed(*pieces: bytes, size_max: int = 1000) -> list[Frame]:
    frames = Frames(size_max)
    found: list[Frame] = []
    for piece in pieces:
        frames.feed(piece)
        while (frame := frames.next()) is not None:
            found.append(frame)
    return found


def test_the_key_is_accepted_as_in_rfc_6455() -> None:
    assert accepted("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_clients_frame_is_masked_as_in_rfc_6455() -> None:
    assert masked(TEXT, b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert masked(TEXT, bytes(200), b"abcd")[:4] == b"\x81\xfe\x00\xc8"
    assert masked(BINARY, bytes(70000), b"abcd")[:10] == b"\x82\xff" + (70000).to_bytes(8, "big")


def test_frames_are_cut_out_of_what_comes_piece_by_piece() -> None:
    data = b"\x81\x05Hello\x89\x00\x82\x7e\x00\x80" + bytes(128)
    whole = [Frame(TEXT, b"Hello", True), Frame(PING, b"", True), Frame(BINARY, bytes(128), True)]
    assert fed(data) == whole
    assert fed(*(data[at : at + 1] for at in range(len(data)))) == whole


def test_a_message_in_parts_is_put_together_around_a_ping() -> None:
    assert fed(b"\x01\x03Hel", b"\x89\x01p", b"\x80\x02lo") == [
        Frame(PING, b"p", True),
        Frame(TEXT, b"Hello", True),
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xc1\x00", "extension"),
        (b"\x81\x80", "masked"),
        (b"\x83\x00", "unknown kind 3"),
        (b"\x88\x7e\x01\x00", "control frame"),
        (b"\x08\x00", "control frame"),
        (b"\x80\x00", "goes on before it began"),
        (b"\x01\x00\x81\x00", "begins within another"),
        (b"\x82\x7f" + b"\xff" * 8, "a frame is longer"),
        (b"\x01\x7e\x02\x00" + bytes(512) + b"\x00\x7e\x02\x00" + bytes(512), "a message is longer"),
    ],
)
def test_what_no_server_may_send_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(BrokenFrame, match=sentence):
        fed(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    try:
        assert all(frame.kind in (TEXT, BINARY, CLOSE, PING, 0xA) for frame in fed(data))
    except BrokenFrame:
        return
