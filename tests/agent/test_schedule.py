from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.schedule import Schedule


def test_a_key_falls_due_in_each_of_its_slots() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=10)
    assert schedule.due(0) == ["cpu"]
    assert schedule.due(9.9) == []
    assert schedule.next_s() == 10
    assert schedule.due(10) == ["cpu"]


def test_missed_slots_are_skipped_and_counted_never_queued() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=10)
    assert schedule.due(35) == ["cpu"]
    assert schedule.missed == 3
    assert schedule.next_s() == 40


def test_a_key_without_slots_falls_due_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("once", first_s=5)
    assert schedule.due(5) == ["once"]
    assert "once" not in schedule
    assert schedule.next_s() is None


def test_a_key_that_was_dropped_falls_due_no_more() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=10)
    schedule.drop("cpu")
    assert schedule.due(100) == []
    assert schedule.next_s() is None


def test_a_key_that_is_added_again_keeps_only_its_new_slots() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=10)
    schedule.add("cpu", first_s=3, every_s=5)
    assert schedule.due(3) == ["cpu"]
    assert schedule.next_s() == 8


@given(st.lists(st.floats(min_value=0, max_value=50), max_size=50), st.floats(min_value=0.1, max_value=10))
def test_a_key_runs_at_most_once_a_slot_however_late_the_loop_comes(
    gaps: list[float], every_s: float
) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=every_s)
    now_s, runs = 0.0, 0
    for gap in gaps:
        now_s += gap
        runs += len(schedule.due(now_s))
    assert runs <= now_s / every_s + 1
