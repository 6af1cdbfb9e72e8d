from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.page import walk
from desk.page.view import IncidentView
from desk.state import IncidentState
from tests.desk.pages import MIN_MS, NOW_MS, walked


@pytest.mark.parametrize(
    ("view", "line"),
    [
        (walked(150, 400), "noticed after 0.02 s, healed after 0.15 s, told after 0.40 s"),
        (walked(40_000, 400), "noticed after 0.02 s, told after 0.40 s, healed after 40 s"),
        (walked(None, 400), "noticed after 0.02 s, told after 0.40 s, not healed yet"),
        (walked(), "noticed after 0.02 s, nobody told yet, not healed yet"),
        (walked(150), "noticed after 0.02 s, healed after 0.15 s, nobody told yet"),
        (
            replace(walked(200), healed_silently=True),
            "noticed after 0.02 s, healed after 0.20 s, before anybody was told",
        ),
        (
            walked(200, None, 30_000, IncidentState.RESOLVED),
            "noticed after 0.02 s, healed after 0.20 s, before anybody was told",
        ),
        (
            walked(None, 400, 725_000, IncidentState.RESOLVED),
            "noticed after 0.02 s, told after 0.40 s, over after 12 min 5 s",
        ),
        (
            walked(None, 400, 60_000, IncidentState.RETRACTED),
            "noticed after 0.02 s, told after 0.40 s, taken back after 1 min",
        ),
        (
            walked(None, None, 60_000, IncidentState.RESOLVED),
            "noticed after 0.02 s, over after 1 min, nobody was told",
        ),
        (
            replace(walked(None, 400), escalated=True),
            "noticed after 0.02 s, told after 0.40 s, not healed yet, people are on it",
        ),
    ],
)
def test_the_walk_says_what_happened_in_the_order_of_time(view: IncidentView, line: str) -> None:
    assert walk.line(view) == line


def test_the_drawn_walk_shows_every_stop_and_what_is_still_awaited() -> None:
    proved = replace(walked(150, 400), verified_ms=NOW_MS)
    assert [step.kind for step in walk.steps(proved)] == ["began", "noticed", "healed", "told", "proved"]
    waiting = walk.steps(walked())
    assert [(step.word, step.after) for step in waiting[2:]] == [("Told", "not yet"), ("Healed", "not yet")]
    assert [step.kind for step in waiting[2:]] == ["pending", "pending"]


def test_a_closed_incident_awaits_nothing() -> None:
    closed = walked(None, None, 60_000, IncidentState.RESOLVED)
    assert "pending" not in {step.kind for step in walk.steps(closed)}


def test_a_clock_that_ran_ahead_makes_no_negative_time() -> None:
    early = replace(walked(), noticed_ms=NOW_MS - 2 * MIN_MS)
    assert walk.line(early).startswith("noticed at once")


@given(st.integers(-(10**6), 10**11), st.integers(-(10**6), 10**11))
def test_every_distance_can_be_drawn(healed_after_ms: int, told_after_ms: int) -> None:
    strides = [step.stride for step in walk.steps(walked(healed_after_ms, told_after_ms))]
    assert all(1 <= stride <= walk.STRIDE_MAX for stride in strides)
