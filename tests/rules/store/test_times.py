from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.store.times import OPEN_ROWS, PIECE_ROWS, Times

NOW_MS = 1_790_000_000_000


def filled(plain: list[int]) -> Times:
    times = Times()
    for at_ms in plain:
        times.append(at_ms)
    return times


@given(
    st.lists(st.one_of(st.integers(9_995, 10_005), st.integers(1, 2**40)), min_size=1, max_size=40),
    st.integers(1, 40),
    st.integers(0, 900),
)
def test_times_read_like_a_list(steps: list[int], copies: int, gone: int) -> None:
    plain = list(accumulate(steps * copies, initial=NOW_MS))
    times = filled(plain)
    dropped = min(gone, len(plain) - 1)
    times.drop(dropped)
    del plain[:dropped]
    assert len(times) == len(plain)
    assert list(times[:]) == plain
    assert times[-1] == plain[-1]
    for at in range(0, len(plain), 37):
        assert times[at] == plain[at]
        assert list(times[at : at + 300]) == plain[at : at + 300]
        for at_ms in (plain[at] - 1, plain[at], plain[at] + 1):
            assert times.after(at_ms) == bisect_right(plain, at_ms)
    assert times.after(0) == 0


@pytest.mark.parametrize("count", [0, OPEN_ROWS, PIECE_ROWS + OPEN_ROWS, 3 * PIECE_ROWS + OPEN_ROWS + 5])
def test_many_times_at_once_are_like_one_after_the_other(count: int) -> None:
    plain = array("q", (NOW_MS + 10_000 * row for row in range(count)))
    times = Times()
    times.extend(plain)
    assert times[:] == plain == filled(list(plain))[:]


def test_times_that_were_all_dropped_begin_anew() -> None:
    times = filled(list(range(1000)))
    times.drop(1000)
    assert len(times) == 0
    times.append(2000)
    assert (times[0], times.after(1999), times.after(2000)) == (2000, 0, 1)
