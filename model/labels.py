"""Label sets: what tells one series, or one alert, from another."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from weakref import WeakValueDictionary

NAME: Final = "__name__"
METADATA: Final = ("__type__", "__unit__")
"""What Prometheus 3 may lay beside a metric name; it goes with the name."""

_FNV_OFFSET: Final = 14695981039346656037
_FNV_PRIME: Final = 1099511628211
_FNV_MASK: Final = (1 << 64) - 1


class Labels(Mapping[str, str]):
    """An immutable label set; equal sets are one object, so comparing and hashing are by identity.

    An empty value means that the label is absent, as in Prometheus.
    """

    __slots__ = ("__weakref__", "_fingerprint", "_nameless", "_pairs", "_values")

    _pairs: tuple[tuple[str, str], ...]
    _values: dict[str, str] | None  # made when first asked for: of most series nobody asks
    _nameless: Labels | None
    _fingerprint: str

    def __new__(cls, pairs: tuple[tuple[str, str], ...]) -> Labels:
        """Return the one object for these pairs, which are sorted and have no empty value; see ``of``.

        Probes make label sets on several threads.
        """
        known = _interned.get(pairs)
        if known is not None:
            return known
        with _interning:
            self = _interned.get(pairs)
            if self is None:
                self = super().__new__(cls)
                self._pairs = pairs
                self._values = None
                self._nameless = None
                self._fingerprint = ""
                _interned[pairs] = self
            return self

    @staticmethod
    def of(pairs: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **more: str) -> Labels:
        """Return the one label set that holds these pairs; later pairs win."""
        values = dict(pairs)
        values.update(more)
        return Labels(tuple(sorted((name, value) for name, value in values.items() if value)))

    @property
    def name(self) -> str:
        """The metric name, or the empty string."""
        pairs = self._pairs
        if pairs and pairs[0][0] == NAME:  # Only a name in capitals is sorted before it.
            return pairs[0][1]
        return self._by_name().get(NAME, "")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every pair, sorted by label name."""
        return self._pairs

    def nameless(self) -> Labels:
        """Return this set without the metric name and what tells of it, its type and its unit."""
        if self._nameless is None:
            self._nameless = self.without((NAME, *METADATA))
        return self._nameless

    def without(self, names: Iterable[str]) -> Labels:
        """Return this set without the labels of these names."""
        dropped = frozenset(names)
        return Labels(tuple(pair for pair in self._pairs if pair[0] not in dropped))

    def only(self, names: Iterable[str]) -> Labels:
        """Return the part of this set that carries these names."""
        kept = frozenset(names)
        return Labels(tuple(pair for pair in self._pairs if pair[0] in kept))

    def having(self, more: Mapping[str, str]) -> Labels:
        """Return this set with ``more`` laid over it; an empty value removes a label."""
        # Pairs that are already there are used again: series by the thousand have most of theirs in common.
        pairs = more.pairs if isinstance(more, Labels) else tuple((name, more[name]) for name in more)
        named = {name for name, _ in pairs}
        kept = [pair for pair in self._pairs if pair[0] not in named]
        return Labels(tuple(sorted([*kept, *(pair for pair in pairs if pair[1])])))

    def fingerprint(self) -> str:
        """Return Alertmanager's fingerprint: FNV-1a 64 over name 0xFF value 0xFF, in 16 hex digits."""
        if not self._fingerprint:
            value = _FNV_OFFSET
            for name, text in self._pairs:
                for byte in name.encode() + b"\xff" + text.encode() + b"\xff":
                    value = ((value ^ byte) * _FNV_PRIME) & _FNV_MASK
            self._fingerprint = f"{value:016x}"
        return self._fingerprint

    def __getitem__(self, name: str) -> str:
        return self._by_name()[name]

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # absent reads as empty
        """Return the label's value; an absent label reads as empty, as in PromQL."""
        values = self._values
        if values is None:
            values = self._by_name()
        return values.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[object, tuple[tuple[tuple[str, str], ...]]]:
        return Labels.of, (self._pairs,)

    def _by_name(self) -> dict[str, str]:
        if self._values is None:
            self._values = dict(self._pairs)
        return self._values

    def __str__(self) -> str:
        inner = ", ".join(f'{name}="{_escaped(value)}"' for name, value in self._pairs if name != NAME)
        return f"{self.name}{{{inner}}}" if inner or not self.name else self.name

    def __repr__(self) -> str:
        return f"Labels({self})"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_interned: WeakValueDictionary[tuple[tuple[str, str], ...], Labels] = WeakValueDictionary()
_interning = threading.Lock()


EMPTY: Final = Labels.of()
