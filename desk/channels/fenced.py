"""A line with a fence: what is a test reaches named places alone, whatever was planned before it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from model.plugin import Deadline, Line, Message, Undelivered

MARK: Final = "[TEST] "


def mail_domain(address: str) -> str:
    """Return the domain of a mail address."""
    return address.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Fenced:
    """Passes on what is no test; a test only to those whose address is ``of`` one of ``domains``.

    Where ``all_is_test``, every message is one and is marked so in its subject.
    """

    line: Line
    domains: Collection[str]
    all_is_test: bool = False
    of: Callable[[str], str] = mail_domain

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand a message over, or raise ``Undelivered`` before anybody outside is spoken to."""
        if self.all_is_test and not message.subject.startswith(MARK):
            message = replace(message, subject=f"{MARK}{message.subject}")
        if message.subject.startswith(MARK) and self.of(message.to) not in self.domains:
            raise Undelivered("a test goes to what desk.yaml names for tests alone", permanent=True)
        return self.line.say(message, deadline)

    def close(self) -> None:
        """Let the line go."""
        self.line.close()
