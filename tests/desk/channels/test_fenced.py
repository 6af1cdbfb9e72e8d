"""A test cannot reach anybody outside its domains, whatever was planned before the line."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from desk.channels.fenced import Fenced
from model.plugin import Deadline, Message, Undelivered


@dataclass(slots=True)
class Kept:
    """A line that keeps what it is given."""

    messages: list[Message] = field(default_factory=list)
    closed: bool = False

    def say(self, message: Message, deadline: Deadline) -> str:
        self.messages.append(message)
        return "250 OK"

    def close(self) -> None:
        self.closed = True


DEADLINE = Deadline(1.0, lambda: 0.0)


def message(to: str, subject: str) -> Message:
    return Message("<1@x>", to, subject, "text", "<p>text</p>", "en", 0, ())


def test_a_test_to_somebody_outside_is_never_handed_over() -> None:
    line = Kept()
    fenced = Fenced(line, {"lab.example"})
    for to in ("ada@acme.example", "ada@x.lab.example", "ada@lab.example.evil.example"):
        with pytest.raises(Undelivered) as caught:
            fenced.say(message(to, "[TEST] [Shop] Checkout does not work"), DEADLINE)
        assert caught.value.permanent
    assert line.messages == []


def test_a_test_reaches_its_domains_and_what_is_none_reaches_everybody() -> None:
    line = Kept()
    fenced = Fenced(line, {"lab.example"})
    fenced.say(message("eve@LAB.example", "[TEST] [Shop] x"), DEADLINE)
    fenced.say(message("ada@acme.example", "[Shop] x"), DEADLINE)
    assert [one.to for one in line.messages] == ["eve@LAB.example", "ada@acme.example"]
    fenced.close()
    assert line.closed


def test_where_all_is_test_every_message_is_marked_and_kept_within() -> None:
    line = Kept()
    fenced = Fenced(line, {"lab.example"}, all_is_test=True)
    fenced.say(message("eve@lab.example", "[Shop] x"), DEADLINE)
    fenced.say(message("eve@lab.example", "[TEST] [Shop] x"), DEADLINE)
    assert [one.subject for one in line.messages] == ["[TEST] [Shop] x"] * 2
    with pytest.raises(Undelivered):
        fenced.say(message("ada@acme.example", "[Shop] x"), DEADLINE)
