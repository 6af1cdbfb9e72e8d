"""Mail goes to one person at a time, and every answer of a mail server has its meaning."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from desk.channels import CHANNELS, mail
from desk.channels.mail import Options
from model.plugin import Deadline, Line, Message, Undelivered
from tests.desk.delivery.test_mime import MESSAGE, SENDER
from tests.desk.post import Post, post_office


def soon() -> Deadline:
    return Deadline(time.monotonic() + 5, time.monotonic)


@pytest.fixture(params=[False, True], ids=["one by one", "pipelining"])
def post(request: pytest.FixtureRequest) -> Iterator[Post]:
    with post_office() as found:
        found.pipelining = request.param
        yield found


@pytest.fixture
def line(post: Post) -> Iterator[Line]:
    with closing(mail.CHANNEL.open(Options("127.0.0.1", SENDER, post.port))) as opened:
        yield opened


def another(number: int) -> Message:
    return replace(MESSAGE, id=f"<inc-abc.root.p{number}@127.0.0.1>", to=f"p{number}@acme.example")


def test_the_channels_are_listed() -> None:
    assert mail.CHANNEL in CHANNELS


def test_messages_share_a_connection_and_never_an_envelope(post: Post, line: Line) -> None:
    for number in range(5):
        assert line.say(another(number), soon()).startswith("250")
    assert [one.to for one in post.mails] == [(f"p{number}@acme.example",) for number in range(5)]
    assert post.mails[0].text.replace("\r\n", "\n") == MESSAGE.text


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("421 4.3.2 closing", False),
        ("450 4.2.1 busy", False),
        ("451 4.7.1 greylisted", False),
        ("452 4.2.2 full", False),
        ("550 5.1.1 no such user", True),
        ("552 5.3.4 too big", True),
        ("554 5.7.1 refused by policy", True),
    ],
)
def test_a_refusal_is_for_good_or_for_now(
    post: Post, line: Line, phase: str, answer: str, permanent: bool
) -> None:
    post.answers[phase] = [answer]
    with pytest.raises(Undelivered) as fact:
        line.say(MESSAGE, soon())
    assert (fact.value.permanent, fact.value.unknown) == (permanent, False)
    assert fact.value.sentence == answer
    assert line.say(another(2), soon()).startswith("250")
    assert [one.to for one in post.mails] == [("p2@acme.example",)]


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_that_ends_before_the_answer_leaves_it_unknown(post: Post, line: Line, cut: str) -> None:
    post.cut = [cut]
    with pytest.raises(Undelivered) as fact:
        line.say(MESSAGE, soon())
    assert fact.value.unknown
    assert line.say(another(2), soon()).startswith("250")


def test_a_kept_connection_that_died_is_replaced(line: Line, post: Post) -> None:
    line.say(MESSAGE, soon())
    session = line
    assert isinstance(session, mail._Session)
    assert session._smtp is not None
    assert session._smtp.sock is not None
    session._smtp.sock.shutdown(socket.SHUT_RDWR)
    assert line.say(another(2), soon()).startswith("250")
    assert len(post.mails) == 2


def test_a_server_that_is_not_there_concerns_everybody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = Options("127.0.0.1", SENDER, port)
    with closing(mail.CHANNEL.open(options)) as line, pytest.raises(Undelivered) as fact:
        line.say(MESSAGE, soon())
    assert fact.value.everybody
    assert not fact.value.permanent


def test_a_server_that_says_nothing_is_left_when_the_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = Options("127.0.0.1", SENDER, silent.getsockname()[1])
        with closing(mail.CHANNEL.open(options)) as line, pytest.raises(Undelivered) as fact:
            line.say(MESSAGE, Deadline(time.monotonic() + 0.2, time.monotonic))
    assert fact.value.everybody


def test_without_starttls_nothing_is_sent_in_clear(post: Post) -> None:
    options = Options("127.0.0.1", SENDER, post.port, security="starttls")
    with closing(mail.CHANNEL.open(options)) as line, pytest.raises(Undelivered) as fact:
        line.say(MESSAGE, soon())
    assert fact.value.everybody
    assert post.mails == []


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Options("h", SENDER, username="u", password="secret"))
