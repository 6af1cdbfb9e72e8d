"""What the agent works out of its samples: how unusual they are, and when something runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.notebook import Notebook
from agent.sight.exhaustion import Exhaustion
from agent.sight.unusual import Unusual, UnusualTerms
from agent.state import StateDirectory
from model.sample import Sample
from rules.store.store import Store

LOOK_EVERY_MS: Final = 30_000
KEEP_EVERY_MS: Final = 600_000


class Outlook:
    """Both, with what they learnt kept across restarts; used by the loop's thread only."""

    def __init__(self, state: StateDirectory, terms: UnusualTerms) -> None:
        self._unusual = Unusual(terms)
        self._exhaustion = Exhaustion()
        self._notes = (
            (self._unusual, Notebook(state.unusual)),
            (self._exhaustion, Notebook(state.exhaustion)),
        )
        self._look_ms = self._keep_ms = 0
        self._had: set[str] = set()

    def begin(self, now_ms: int) -> None:
        """Take up what an earlier life of the agent learnt."""
        for part, notebook in self._notes:
            part.recall(notebook.read())
        self._keep_ms = now_ms + KEEP_EVERY_MS

    def use(self, terms: UnusualTerms) -> None:
        """Go on with other terms."""
        self._unusual.use(terms)

    def look(self, store: Store, now_ms: int) -> Iterator[tuple[str, tuple[Sample, ...]]]:
        """Yield what is known now, when it is time for that, by the part of the store that it belongs to."""
        if now_ms < self._look_ms:
            return
        self._look_ms = now_ms + LOOK_EVERY_MS
        for name, samples in (
            ("unusual", self._unusual.look(store, now_ms)),
            ("exhaustion", self._exhaustion.look(store, now_ms)),
        ):
            if samples or name in self._had:
                self._had.add(name)
                yield name, samples
        if now_ms >= self._keep_ms:
            self.keep(now_ms)

    def keep(self, now_ms: int) -> None:
        """Write down what was learnt."""
        self._keep_ms = now_ms + KEEP_EVERY_MS
        for part, notebook in self._notes:
            notebook.write(part.known())
