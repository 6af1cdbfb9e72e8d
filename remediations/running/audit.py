"""The audit chain: every intent, act and result in its order, each sealed with the SHA-256 of the one before.

Whoever changes, takes out or puts in an entry breaks the chain from there on. Entries that are forgotten
leave at the old end only; the seal that the first kept one stands on is taken as given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

What = Literal["run", "intent", "result", "approval", "switch", "drill", "demotion", "reinstatement"]

FIRST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``fact`` is canonical JSON, ``after`` the seal of the entry before."""

    number: int
    at_ms: int
    what: str
    run: str
    fact: str
    after: str
    seal: str

    @classmethod
    def sealed(cls, number: int, at_ms: int, about: About, after: str) -> Entry:
        """Return the next entry of a chain."""
        fact = json.dumps(about.fact, sort_keys=True, separators=(",", ":"))
        seal = _seal(number, at_ms, about.what, about.run, fact, after)
        return cls(number, at_ms, about.what, about.run, fact, after, seal)

    @property
    def genuine(self) -> bool:
        """Whether it reads as it was written."""
        return self.seal == _seal(self.number, self.at_ms, self.what, self.run, self.fact, self.after)


@dataclass(frozen=True, slots=True)
class About:
    """What an entry tells of."""

    what: What
    run: str
    fact: Mapping[str, object]


def digest(text: str) -> str:
    """Return what stands in an entry for a long text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def first_break(entries: Iterable[Entry]) -> str:
    """Return in words where a chain is broken first, or nothing where it is whole."""
    before: Entry | None = None
    for entry in entries:
        if not entry.genuine:
            return f"entry {entry.number} was changed after it was written"
        if before is not None and entry.number != before.number + 1:
            return f"entries {before.number + 1} to {entry.number - 1} are missing"
        if before is not None and entry.after != before.seal:
            return f"entry {entry.number} does not follow entry {before.number}"
        before = entry
    return ""


def _seal(number: int, at_ms: int, what: str, run: str, fact: str, after: str) -> str:
    whole = json.dumps([number, at_ms, what, run, fact, after], separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()
