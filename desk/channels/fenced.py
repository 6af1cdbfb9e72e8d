"""A line with a fence: what is a test reaches named domains alone, whatever was planned before it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from model.plugin import Deadline, Line, Message, Undelivered

MARK: Final = "[TEST] "


@dataclass(frozen=True, slots=True)
class Fenced:
    """Passes on what is no test; a test only to people of ``domains``.

    Where ``all_is_test``, every message is one and is marked so in its subject.
    """

    line: Line
    domains: Collection[str]
    all_is_test: bool = False

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand a message over, or raise ``Undelivered`` before anybody outside is spoken to."""
        if self.all_is_test and not message.subject.startswith(MARK):
            message = replace(message, subject=f"{MARK}{message.subject}")
        if message.subject.startswith(MARK) and message.to.rpartition("@")[2].lower() not in self.domains:
            raise Undelivered("a test goes to test_domains alone", permanent=True)
        return self.line.say(message, deadline)

    def close(self) -> None:
        """Let the line go."""
        self.line.close()
