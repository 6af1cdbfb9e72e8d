"""A message becomes bytes that every mail program reads the same way, and no value becomes a header."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.catalogue.person import EmailAddress, Sender, printable
from desk.delivery.mime import mime
from model.plugin import Message

SENDER = Sender("Example", EmailAddress("status@example.com"))
MESSAGE = Message(
    id="<inc-abc.root.p1@127.0.0.1>",
    to="ada@acme.example",
    subject="Kasse",
    text="Grüße\n.\nBye\n",
    html="<p>Grüße</p>",
    language="de",
    written_ms=1_784_000_000_000,
    headers=(("List-Id", "checkout <checkout.127.0.0.1>"),),
)


@given(st.text(max_size=300).map(printable))
def test_any_subject_comes_back_as_it_was(subject: str) -> None:
    data = mime(replace(MESSAGE, subject=subject), SENDER)
    read = message_from_bytes(data, policy=policy.SMTP)
    assert " ".join(str(read["Subject"]).split()) == subject
    assert max(len(line) for line in data.split(b"\r\n")) < 998
    assert sorted({name.lower() for name in read}) == sorted(
        ["from", "to", "subject", "date", "message-id", "list-id", "mime-version", "content-type"]
    )


def test_both_bodies_come_back() -> None:
    read = message_from_bytes(mime(MESSAGE, SENDER), policy=policy.default)
    plain, rich = read.get_body(("plain",)), read.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert rich.get_content().strip() == MESSAGE.html


def test_the_same_message_gives_the_same_bytes() -> None:
    assert mime(MESSAGE, SENDER) == mime(MESSAGE, SENDER)


def test_a_name_with_an_umlaut_or_a_quote_is_encoded() -> None:
    for name in ("Bücher", 'He said "x"', "Plain, Inc."):
        read = message_from_bytes(mime(MESSAGE, replace(SENDER, name=name)), policy=policy.default)
        [address] = read["From"].addresses
        assert (address.display_name, address.addr_spec) == (name, "status@example.com")


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.example", "a\nb", "a\x00b"])
def test_a_header_that_would_break_is_never_written(bad: str) -> None:
    with pytest.raises(AssertionError):
        mime(replace(MESSAGE, to=bad), SENDER)
    with pytest.raises(AssertionError):
        mime(replace(MESSAGE, headers=(("X", bad),)), SENDER)
