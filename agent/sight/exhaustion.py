"""Time to exhaustion: what of each bounded thing is used, and when that reaches its limit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final

from model.labels import METADATA, NAME, Labels
from model.sample import Metric, Sample
from rules.exhaustion import Forecast, State, forecast, until
from rules.exhaustion.history import History
from rules.exhaustion.resources import BOUNDED, DATED, Bounded, Dated
from rules.store.store import Selector, Store

RESOURCES_MAX: Final = 500
"""How many resources are followed; each takes about 10 kB."""

FORECASTS: Final = 8
"""How many are judged anew in one look; each takes about 3 ms."""

_ANEW_MS: Final = 120_000
_FORGOTTEN_MS: Final = 86_400_000
_FORM: Final = 1

_ONE: Final = ("resource", "kind")
USED: Final = Metric("beforehand_resource_used", "How much of a bounded thing is used.", labels=_ONE)
LIMIT: Final = Metric("beforehand_resource_limit", "How much of it there is.", labels=_ONE)
FORECAST: Final = Metric(
    "beforehand_resource_forecast",
    "1 for the state: enough, where it can be told when it runs out; or too_few, noisy, not_growing or"
    " saw_tooth, why it cannot.",
    labels=(*_ONE, "state"),
)
SECONDS: Final = Metric(
    "beforehand_resource_exhaustion_seconds", "After how long it runs out at its present pace.", labels=_ONE
)
LOWER: Final = Metric(
    "beforehand_resource_exhaustion_lower_seconds", "The soonest that is likely.", labels=_ONE
)
UPPER: Final = Metric(
    "beforehand_resource_exhaustion_upper_seconds", "The latest that is likely.", labels=_ONE
)
ALL: Final = (USED, LIMIT, FORECAST, SECONDS, LOWER, UPPER)

_UNKNOWN: Final = Forecast(State.TOO_FEW)


@dataclass(frozen=True, slots=True)
class _Seen:
    """How one resource stands now."""

    resource: Labels
    used: float
    limit: float


@dataclass(slots=True)
class _Followed:
    """One resource with its past; the forecast was made ``at_ms``."""

    labels: Mapping[str, Labels]
    history: History = field(default_factory=History)
    forecast: Forecast = _UNKNOWN
    at_ms: int = 0
    seen_ms: int = 0


@dataclass(slots=True)
class Exhaustion:
    """All resources of this host; used by the loop's thread only."""

    _selectors: dict[str, Selector] = field(default_factory=dict)
    _followed: dict[Labels, _Followed] = field(default_factory=dict)

    def look(self, store: Store, now_ms: int) -> tuple[Sample, ...]:
        """Return all that is known now of every bounded thing in the store.

        A few forecasts are made anew in each look, those first that are oldest.
        """
        seen = [one for one in self._seen(store, now_ms) if self._follow(one, now_ms)]
        due = (one for one in seen if now_ms - self._followed[one.resource].at_ms >= _ANEW_MS)
        for one in nsmallest(FORECASTS, due, key=lambda each: self._followed[each.resource].at_ms):
            followed = self._followed[one.resource]
            followed.forecast = forecast(*followed.history.windows(), one.limit)
            followed.at_ms = now_ms
        self._forget(now_ms)
        told = [sample for one in seen for sample in self._told(one, now_ms)]
        for kind in DATED:
            told += self._dated(kind, store, now_ms)
        return tuple(told)

    def _seen(self, store: Store, now_ms: int) -> Iterator[_Seen]:
        for kind in BOUNDED:
            limits = self._values(store, kind.limit, kind, now_ms)
            if limits:
                standing = self._values(store, kind.used or kind.free, kind, now_ms)
                for key, value in standing.items():
                    limit = limits.get(key, 0.0)
                    used = value if kind.used else limit - value
                    # Where there is no limit, exporters tell of 0, of infinity or of the largest number.
                    if 0.0 < limit < 2.0**62 and math.isfinite(used):
                        yield _Seen(_resource(key, kind), max(0.0, used), limit)

    def _values(self, store: Store, metric: str, kind: Bounded | Dated, now_ms: int) -> dict[Labels, float]:
        """Return the newest values of a metric, by what its series have in common with those of its kind."""
        selector = self._selectors.get(metric)
        if selector is None:
            selector = self._selectors[metric] = Selector(metric, ())
        apart = (NAME, *METADATA, *(kind.apart if isinstance(kind, Bounded) else ()))
        sums: dict[Labels, float] = {}
        for labels, value in store.values_at(selector, now_ms):
            key = labels.without(apart)
            sums[key] = sums.get(key, 0.0) + value
        return sums

    def _follow(self, one: _Seen, now_ms: int) -> bool:
        """Remember how a resource stands; tell whether there is room for it."""
        followed = self._followed.get(one.resource)
        if followed is None:
            if len(self._followed) >= RESOURCES_MAX:
                return False
            followed = self._followed[one.resource] = _Followed(_names(one.resource))
        followed.seen_ms = now_ms
        followed.history.add(now_ms / 1000, one.used)
        return True

    def _told(self, one: _Seen, now_ms: int) -> Iterator[Sample]:
        followed = self._followed[one.resource]
        yield Sample(followed.labels[USED.name], one.used)
        yield Sample(followed.labels[LIMIT.name], one.limit)
        yield from _forecast(followed.labels, followed.forecast, (now_ms - followed.at_ms) / 1000)

    def _dated(self, kind: Dated, store: Store, now_ms: int) -> Iterator[Sample]:
        for key, ends_s in self._values(store, kind.ends, kind, now_ms).items():
            if math.isfinite(ends_s) and ends_s > 0.0:
                yield from _forecast(_names(_resource(key, kind)), until(ends_s, now_ms / 1000), 0.0)

    def _forget(self, now_ms: int) -> None:
        gone = [one for one, followed in self._followed.items() if followed.seen_ms <= now_ms - _FORGOTTEN_MS]
        for one in gone:
            del self._followed[one]

    def known(self) -> object:
        """Return the past of every resource, as JSON can hold it."""
        rows = [
            [list(one.pairs), followed.seen_ms, followed.history.hours.known(), followed.history.days.known()]
            for one, followed in self._followed.items()
        ]
        return {"form": _FORM, "resources": rows}

    def recall(self, known: object) -> None:
        """Take up what ``known`` returned in an earlier life; what does not fit is left out."""
        rows = known.get("resources") if isinstance(known, dict) and known.get("form") == _FORM else None
        for row in rows if isinstance(rows, list) else ():
            try:
                pairs, seen_ms, hours, days = row
                resource = Labels.of((str(name), str(value)) for name, value in pairs)
                seen_ms = int(seen_ms)
            except (TypeError, ValueError):
                continue
            if len(self._followed) < RESOURCES_MAX:
                followed = self._followed[resource] = _Followed(_names(resource), seen_ms=seen_ms)
                followed.history.hours.recall(hours)
                followed.history.days.recall(days)


def _resource(key: Labels, kind: Bounded | Dated) -> Labels:
    return key.having({"kind": kind.kind, "resource": key.get(kind.named) or kind.kind})


def _names(resource: Labels) -> dict[str, Labels]:
    """Return the labels of each series of a resource; of a forecast, by its state."""
    names = {metric.name: resource.having({NAME: metric.name}) for metric in ALL if metric is not FORECAST}
    told = {state.value: resource.having({NAME: FORECAST.name, "state": state.value}) for state in State}
    return {**names, **told}


def _forecast(labels: Mapping[str, Labels], known: Forecast, since_s: float) -> Iterator[Sample]:
    yield Sample(labels[known.state.value], 1.0)
    for metric, seconds in ((SECONDS, known.seconds), (LOWER, known.lower), (UPPER, known.upper)):
        if seconds is not None:
            yield Sample(labels[metric.name], max(0.0, seconds - since_s))
