"""What could be seen at each moment of a recording: targets without an answer, and times without a row."""

from __future__ import annotations

from bisect import bisect_right
from types import MappingProxyType
from typing import Final

from model.labels import Labels
from rules.backtest.recording import Sheet
from rules.store.store import LOOKBACK_MS, PART
from rules.unseen import Unseen

_ALL_SEEN: Final = Unseen()


class Sight:
    """Learns of sheets in the order of time, and remembers when sight was lost."""

    def __init__(self) -> None:
        self._blind: dict[Labels, frozenset[str]] = {}
        self._names: dict[Labels, frozenset[str]] = {}
        self._times: list[int] = []
        self._views: list[Unseen] = []
        self._first_ms: int | None = None
        self._last_ms = 0
        self._pauses: list[tuple[int, int]] = []

    def take(self, sheet: Sheet) -> None:
        """Note some rows of a block; ``up`` of 0 in a row says that the target gave no answer."""
        first_ms, last_ms = sheet.times[0], sheet.times[-1]
        if self._first_ms is None:
            self._first_ms = self._last_ms = first_ms
        if first_ms - self._last_ms > LOOKBACK_MS:
            self._pauses.append((self._last_ms + LOOKBACK_MS, first_ms))
        self._last_ms = max(self._last_ms, last_ms)
        if sheet.key.name or "instance" not in sheet.key:
            return  # It is no target of a probe.
        up = next((values for labels, values in sheet.columns.items() if labels.name == "up"), None)
        names = frozenset(labels.name for labels in sheet.columns)
        if up is None or (min(up) > 0 and sheet.key not in self._blind):
            self._names[sheet.key] = names
            return
        for at_ms, value in zip(sheet.times, up, strict=True):
            if (value == 0) != (sheet.key in self._blind):
                self._turn(sheet.key, at_ms, blind=value == 0)
        if up[-1]:
            self._names[sheet.key] = names

    def unseen(self, at_ms: int) -> Unseen:
        """Return the targets that could not be seen at this time."""
        index = bisect_right(self._times, at_ms)
        return self._views[index - 1] if index else _ALL_SEEN

    def resumes_ms(self, at_ms: int) -> int | None:
        """Return this time if something was recorded shortly before, else the next row's, if there is one."""
        if self._first_ms is None or at_ms < self._first_ms:
            return self._first_ms
        index = bisect_right(self._pauses, (at_ms, 0))
        if index and at_ms < self._pauses[index - 1][1]:
            return self._pauses[index - 1][1]
        return at_ms if at_ms < self._last_ms + LOOKBACK_MS else None

    def _turn(self, key: Labels, at_ms: int, *, blind: bool) -> None:
        if blind:
            self._blind[key] = self._names.get(key, frozenset())
        else:
            del self._blind[key]
        merged: dict[Labels, frozenset[str]] = {}
        for block, names in self._blind.items():
            target = block.without((PART,))
            merged[target] = merged.get(target, frozenset()) | names
        self._times.append(at_ms)
        self._views.append(Unseen(MappingProxyType(merged)))
