"""What the store is known to hold of the alerts that fire, so that a mere repetition needs no look into it.

It is right only where no other desk writes to the same tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from desk.incident.incident import WATCHDOG, Signal
from desk.intake.merging import outlasts

ALERTS_MAX: Final = 100_000  # alerts, at some 400 bytes each
_DROPPED_AT_ONCE: Final = 10  # a tenth of them


@dataclass(frozen=True, slots=True)
class Stood:
    """A firing alert as it stands in the store; ``form`` is a digest of its words."""

    form: bytes
    starts_ms: int
    ends_ms: int
    guessed: bool

    def goes_on(self, starts_ms: int, ends_ms: int, now_ms: int) -> bool:
        """Tell whether a report of these times, with the same words, would change nothing in the store.

        It would not where the alert fires in both, in one episode, from no earlier start, and where the end
        that follows from both is hardly later: ``merge``, ``is_news`` and ``outlasts`` would say the same.
        """
        if ends_ms <= now_ms or self.ends_ms <= now_ms or starts_ms < self.starts_ms:
            return False
        if starts_ms > self.starts_ms and starts_ms >= self.ends_ms:
            return False
        merged_ms = ends_ms if self.guessed else max(ends_ms, self.ends_ms)
        return not outlasts(self.ends_ms, merged_ms, now_ms)


class Standing:
    """The firing alerts of which the store's row is known, by their keys, as many as there is room for.

    What the writing thread is about to write is forgotten before, and known again only after the commit:
    everything but ``find`` is called on that thread. Who was known longest gives way first, and is known
    again with its next report.
    """

    def __init__(self, alerts_max: int = ALERTS_MAX) -> None:
        self._alerts_max = alerts_max
        self._known: dict[str, Stood] = {}
        self._expected: dict[str, Stood] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: str) -> Stood | None:
        """Return how an alert stands, as far as that is known."""
        return self._known.get(key)

    def forget(self, signals: Iterable[Signal]) -> None:
        """Know nothing of alerts that are about to be written."""
        for one in signals:
            self._known.pop(one.key, None)
            self._expected.pop(one.key, None)

    def expect(self, signals: Iterable[Signal], now_ms: int) -> Mapping[str, Stood]:
        """Return how these alerts will stand once the transaction that is under way is durable."""
        if not self._alerts_max:
            return {}
        found = {
            one.key: Stood(form_of(one.annotations, one.source), one.starts_ms, one.ends_ms, one.guessed)
            for one in signals
            # Each word of a Watchdog is written.
            if one.ends_ms > now_ms and not one.over and one.name != WATCHDOG
        }
        self._expected |= found
        return found

    def settle(self, expected: Mapping[str, Stood]) -> None:
        """Know what was expected and is durable now, unless something was written over it meanwhile."""
        for key, stood in expected.items():
            if self._expected.pop(key, None) is stood:
                self._known[key] = stood
        if len(self._known) > self._alerts_max:
            count = len(self._known) - self._alerts_max + self._alerts_max // _DROPPED_AT_ONCE
            for key in list(islice(self._known, count)):
                del self._known[key]

    def give_up(self) -> None:
        """Expect nothing any more: a transaction failed."""
        self._expected.clear()


def form_of(annotations: Mapping[str, str], source: str) -> bytes:
    """Return a digest of the words of an alert: 128 bits of BLAKE2b."""
    words = msgspec.json.encode((annotations if isinstance(annotations, dict) else dict(annotations), source))
    return hashlib.blake2b(words, digest_size=16).digest()
