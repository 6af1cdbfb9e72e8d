from __future__ import annotations

from agent.clock import Clock


class Hands:
    """A wall clock and a monotonic clock that a test moves by hand."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.monotonic_s = 50.0

    def pass_s(self, s: float) -> None:
        self.wall_s += s
        self.monotonic_s += s


def clock_and_hands() -> tuple[Clock, Hands]:
    hands = Hands()
    return Clock(lambda: hands.wall_s, lambda: hands.monotonic_s), hands


def test_time_passes_as_on_the_wall() -> None:
    clock, hands = clock_and_hands()
    hands.pass_s(2.5)
    assert clock.now_ms() == 1_000_002_500


def test_a_wall_clock_that_is_set_back_an_hour_does_not_turn_time_back() -> None:
    clock, hands = clock_and_hands()
    hands.wall_s -= 3600
    hands.pass_s(10)
    assert clock.now_ms() == 1_000_010_000
    assert round(clock.behind_s) == 3600


def test_a_step_forward_is_followed_and_counted() -> None:
    clock, hands = clock_and_hands()
    hands.wall_s += 3600
    assert clock.now_ms() == 1_003_600_000
    assert clock.steps == 1


def test_a_small_correction_is_not_a_step() -> None:
    clock, hands = clock_and_hands()
    hands.wall_s += 0.5
    assert clock.now_ms() == 1_000_000_000
    assert clock.steps == 0
