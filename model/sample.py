"""Samples, and the metrics that they belong to."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that a probe declares; calling it makes a sample, so a wrong label cannot pass."""

    name: str
    help: str
    kind: Kind = "gauge"
    labels: tuple[str, ...] = ()
    _known: dict[tuple[str, ...], Labels] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, value: float, **labels: str) -> Sample:
        """Return a sample of this metric with exactly the labels that it declares."""
        assert labels.keys() == set(self.labels), (
            f"{self.name} has the labels {self.labels}, got {tuple(labels)}"
        )
        key = tuple(labels[name] for name in self.labels)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _CACHED_MAX:
                self._known.clear()
            bounded = {name: labels[name][:LABEL_BYTES_MAX] for name in self.labels}
            known = self._known[key] = Labels.of(bounded, **{NAME: self.name})
        return Sample(known, float(value))
