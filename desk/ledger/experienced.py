"""Experienced minutes: how long people could not work, each minute counted once for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from desk.ledger.share import Share
from desk.ledger.story import Story
from desk.state import Impact

MINUTE_MS: Final = 60_000
WEIGHTS: Final = {Impact.MAJOR: 1.0, Impact.PARTIAL: 1.0, Impact.DEGRADED: 0.3}


@dataclass(frozen=True, slots=True)
class Crowd:
    """People who were touched by exactly these incidents, and how many they are."""

    incidents: frozenset[int]
    people: int


@dataclass(frozen=True, slots=True)
class Experienced:
    """The minutes of all people together, by service and level; means are over everybody ``entitled``."""

    minutes: float = 0.0
    by: Mapping[tuple[str, Impact], float] | None = None
    entitled: int = 0
    mean: float | None = None
    p95: float | None = None
    untouched: Share = field(default_factory=Share)


@dataclass(frozen=True, slots=True)
class _Span:
    service: str
    impact: Impact
    from_ms: int
    to_ms: int


def experienced(
    stories: Iterable[Story], crowds: Sequence[Crowd], entitled: int, from_ms: int, to_ms: int
) -> Experienced:
    """Return what people went through in [from_ms, to_ms), around the clock.

    Where several services fail somebody at once the heaviest counts, and it alone; whoever is in no
    crowd went through nothing.
    """
    spans = {story.incident: _spans(story, from_ms, to_ms) for story in stories}
    by: dict[tuple[str, Impact], float] = {}
    each: list[tuple[float, int]] = []
    for crowd in crowds:
        if not crowd.people:
            continue
        here = [span for one in sorted(crowd.incidents) for span in spans.get(one, ())]
        own = 0.0
        for span, length_ms in _heaviest(here):
            minutes = WEIGHTS[span.impact] * length_ms / MINUTE_MS
            own += minutes
            key = (span.service, span.impact)
            by[key] = by.get(key, 0.0) + minutes * crowd.people
        each.append((own, crowd.people))
    total = sum(own * people for own, people in each)
    touched = sum(people for own, people in each if own > 0)
    entitled = max(entitled, sum(people for _, people in each))
    if not entitled:
        return Experienced()
    return Experienced(
        minutes=total,
        by=by,
        entitled=entitled,
        mean=total / entitled,
        p95=_p95(each, entitled),
        untouched=Share(entitled - touched, entitled),
    )


def _spans(story: Story, from_ms: int, to_ms: int) -> tuple[_Span, ...]:
    """Return the stretches of one level each, within the window; the first level holds since the onset."""
    levels = sorted(story.levels, key=lambda level: level.from_ms)
    if not levels:
        return ()
    end_ms = story.over_ms or story.closed_ms or to_ms
    edges = [story.onset_ms, *(level.from_ms for level in levels[1:]), end_ms]
    clipped = [max(from_ms, min(edge, end_ms, to_ms)) for edge in edges]
    return tuple(
        _Span(story.service, level.impact, start_ms, stop_ms)
        for level, (start_ms, stop_ms) in zip(levels, pairwise(clipped), strict=True)
        if level.impact in WEIGHTS and start_ms < stop_ms
    )


def _heaviest(spans: Sequence[_Span]) -> Iterable[tuple[_Span, int]]:
    """Yield, from one change to the next, the heaviest span and the length of time in ms."""
    edges = sorted({edge for span in spans for edge in (span.from_ms, span.to_ms)})
    for start_ms, stop_ms in pairwise(edges):
        there = [span for span in spans if span.from_ms <= start_ms and stop_ms <= span.to_ms]
        if there:
            yield max(there, key=lambda span: WEIGHTS[span.impact]), stop_ms - start_ms


def _p95(each: Sequence[tuple[float, int]], entitled: int) -> float:
    """Return what 95 of 100 people do not exceed (nearest rank)."""
    wanted = -(-entitled * 95 // 100)
    seen = entitled - sum(people for _, people in each)
    if seen >= wanted:
        return 0.0
    for own, people in sorted(each):
        seen += people
        if seen >= wanted:
            return own
    raise AssertionError("a rank is at most the number of people")
