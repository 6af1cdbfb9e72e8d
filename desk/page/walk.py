"""The walk of an incident, from the first trouble to the people who were told, as a line and as steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from desk.page.page_words import seconds
from desk.page.view import IncidentView
from desk.state import IncidentState

Kind = Literal["began", "noticed", "told", "healed", "over", "proved", "pending"]

STRIDE_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One stop on the walk: what happened, when, and how long after the trouble began.

    ``at_ms`` is None for what has not happened yet. ``stride`` is the drawn distance from the stop before,
    from 1 to ``STRIDE_MAX``, on a scale of powers of ten, so that 0.02 s and 20 min fit one line.
    """

    kind: Kind
    word: str
    at_ms: int | None
    after: str
    stride: int = 1


def line(incident: IncidentView) -> str:
    """Say the walk in one line: ``noticed after 0.02 s, healed after 0.15 s, told after 0.40 s``."""
    parts = [f"{step.word.lower()} {_after(step)}" for step in _happened(incident)]
    return ", ".join([*parts, *_missing(incident)])


def _after(step: Step) -> str:
    return "at once" if step.after == "0 s" else f"after {step.after}"


def steps(incident: IncidentView) -> tuple[Step, ...]:
    """Return the stops to draw, in the order of time, with what has not happened yet at the end."""
    stops = [Step("began", "Began", incident.onset_ms, "0 s"), *_happened(incident, proof=True)]
    walked = [replace(here, stride=_stride(before, here)) for before, here in pairwise(stops)]
    awaited = [Step("pending", word, None, "not yet", stride=2) for word in _awaited(incident)]
    return (stops[0], *walked, *awaited)


def _happened(incident: IncidentView, proof: bool = False) -> list[Step]:
    """List what has happened since the trouble began, in the order of time."""
    moments: list[tuple[Kind, str, int | None]] = [
        ("noticed", "Noticed", incident.noticed_ms),
        ("told", "Told", incident.told_ms),
        ("healed", "Healed", incident.healed_ms),
    ]
    if proof:
        moments.append(("proved", "Proved", incident.verified_ms))
    if incident.healed_ms is None:
        word = "Taken back" if incident.state is IncidentState.RETRACTED else "Over"
        moments.append(("over", word, incident.resolved_ms))
    return sorted(
        (
            Step(kind, word, at_ms, seconds(at_ms - incident.onset_ms))
            for kind, word, at_ms in moments
            if at_ms is not None
        ),
        key=lambda step: step.at_ms or 0,
    )


def _missing(incident: IncidentView) -> list[str]:
    """Say what has not happened: nobody told, not healed."""
    closed = incident.resolved_ms is not None
    said = []
    if incident.told_ms is None:
        silent = incident.healed_silently or (closed and incident.healed_ms is not None)
        said.append(
            "before anybody was told" if silent else "nobody was told" if closed else "nobody told yet"
        )
    if incident.healed_ms is None and not closed:
        said.append("not healed yet, people are on it" if incident.escalated else "not healed yet")
    return said


def _awaited(incident: IncidentView) -> list[str]:
    if incident.resolved_ms is not None:
        return []
    told = [] if incident.told_ms is not None or incident.healed_silently else ["Told"]
    return told + ([] if incident.healed_ms is not None else ["Healed"])


def _stride(before: Step, here: Step) -> int:
    apart_ms = max(1, (here.at_ms or 0) - (before.at_ms or 0))
    return min(STRIDE_MAX, 1 + round(math.log10(apart_ms)))
