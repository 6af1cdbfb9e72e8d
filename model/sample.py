"""Samples, and the metrics that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from model.labels import NAME, Labels

Kind = Literal["counter", "gauge", "untyped"]

LABEL_BYTES_MAX: Final = 2048
_CACHED_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series; whoever collects it gives it its time."""

    labels: Labels
    value: float


@dataclass(slots=True, eq=False)  # not frozen: that costs a host with many checks
class Samples:
    """The samples of one run as two columns of one length; run after run brings the same series."""

    labels: tuple[Labels, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Samples:
        """Return these samples in their order."""
        each = tuple(samples)
        return cls(tuple([one.labels for one in each]), tuple([float(one.value) for one in each]))

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Sample]:
        return map(Sample, self.labels, self.values)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that a probe declares; calling it makes a sample, so a wrong label cannot pass."""

    name: str
    help: str
    kind: Kind = "gauge"
    labels: tuple[str, ...] = ()
    _known: dict[tuple[tuple[str, str], ...], Labels] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __call__(self, value: float, **labels: str) -> Sample:
        """Return a sample of this metric with exactly the labels that it declares."""
        key = tuple(labels.items())
        return Sample(self._known.get(key) or self._made(key, labels), float(value))

    def _made(self, key: tuple[tuple[str, str], ...], labels: Mapping[str, str]) -> Labels:
        assert labels.keys() == set(self.labels), (
            f"{self.name} has the labels {self.labels}, got {tuple(labels)}"
        )
        if len(self._known) >= _CACHED_MAX:
            self._known.clear()
        bounded = {name: _bounded(labels[name]) for name in self.labels}
        made = self._known[key] = Labels.of(bounded, **{NAME: self.name})
        return made


def _bounded(text: str) -> str:
    """Return a label's value as text that any reader takes; a file's or a process' name may be none."""
    if text.isascii():
        return text[:LABEL_BYTES_MAX]
    return text.encode(errors="replace")[:LABEL_BYTES_MAX].decode(errors="ignore")
