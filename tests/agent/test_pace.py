from __future__ import annotations

import pytest

from agent.pace import Pace


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_what_takes_long_waits_the_longer() -> None:
    clock = Hands()
    pace = Pace(clock)
    assert pace.left_s(0.05) == 0
    with pace.counted():
        clock.now_s += 0.01
    assert pace.left_s(0.05) == pytest.approx(0.19)
    assert pace.left_s(0.5) == pytest.approx(0.01)
    clock.now_s += 0.19
    assert pace.left_s(0.05) == pytest.approx(0)


def test_what_takes_no_time_need_not_wait() -> None:
    pace = Pace(Hands())
    with pace.counted():
        pass
    assert pace.left_s(0.05) == 0


def test_what_raises_is_counted_too() -> None:
    clock = Hands()
    pace = Pace(clock)

    def fail() -> None:
        with pace.counted():
            clock.now_s += 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert pace.left_s(0.5) == pytest.approx(1)
