from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sight.schedule import TICK_S, TOGETHER, Schedule, first_s, phase_s


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


def test_slots_lie_where_the_phase_says_from_the_second_run_on() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=12, every_s=10, phase_s=3)
    assert schedule.due(12) == ["cpu"]
    assert schedule.next_s() == 13
    assert schedule.due(13) == ["cpu"]
    assert schedule.next_s() == 23


@given(
    st.floats(min_value=0, max_value=1e6),
    st.floats(min_value=0.01, max_value=1e4),
    st.floats(min_value=0, max_value=1e4),
)
def test_the_next_slot_always_lies_ahead(now_s: float, every_s: float, phase: float) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("cpu", first_s=0, every_s=every_s, phase_s=phase)
    schedule.due(now_s)
    next_s = schedule.next_s()
    assert next_s is not None
    assert next_s > now_s
    assert next_s <= now_s + every_s * 1.001


@pytest.mark.parametrize(("among", "every_s"), [(500, 10), (2000, 10), (2000, 1), (100, 60)])
def test_many_probes_are_spread_over_their_slot_and_share_ticks(among: int, every_s: float) -> None:
    phases = Counter(phase_s(f"http {n}", every_s, among) for n in range(among))
    places = min(every_s / TICK_S, among / TOGETHER)
    assert 0.8 * places <= len(phases) <= places + 1
    assert max(phases.values()) < 3 * among / places
    assert all(0 <= phase < every_s for phase in phases)
    assert all(abs(phase / TICK_S - round(phase / TICK_S)) < 1e-6 for phase in phases)


def test_a_few_probes_share_one_wake_up() -> None:
    assert {phase_s(f"probe {n}", 15, TOGETHER) for n in range(TOGETHER)} == {0.0}


def test_the_place_of_a_probe_in_its_slot_is_always_the_same() -> None:
    assert phase_s("http 1", 10, 1000) == phase_s("http 1", 10, 1000)


@pytest.mark.parametrize("among", [1, 10, 64, 500, 10_000])
def test_all_probes_run_within_a_second_of_the_start_and_a_few_of_them_at_once(among: int) -> None:
    firsts = [first_s(number, among) for number in range(among)]
    assert firsts[0] == 0
    assert max(firsts) < 1
    assert among > 63 or set(firsts) == {0}
    assert max(Counter(firsts).values()) <= max(64, among // 9)
