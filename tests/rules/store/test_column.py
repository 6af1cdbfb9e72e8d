from __future__ import annotations

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.store.column import OPEN_ROWS, PIECE_ROWS, Column, packed, unpacked

WHOLE = st.integers(-(2**60), 2**60).map(float)
ODD = st.sampled_from(
    (0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 5e-324, 1.7e308, 2.0**51, 2.0**52)
)
SECONDS = st.integers(0, 10**9).map(lambda micro: micro / 1e6)
CENTS = st.integers(-(10**7), 10**7).map(lambda cent: cent / 100)
VALUES = st.one_of(st.floats(), WHOLE, ODD, SECONDS, CENTS)


def piece(values: list[float]) -> array[float]:
    """Return these values again and again, to the length of a piece."""
    return array("d", (values * PIECE_ROWS)[:PIECE_ROWS])


@given(
    st.one_of(
        *(st.lists(kind, min_size=1, max_size=PIECE_ROWS) for kind in (VALUES, WHOLE, SECONDS, CENTS, ODD))
    )
)
def test_every_bit_of_a_piece_comes_back(values: list[float]) -> None:
    plain = piece(values)
    assert unpacked(packed(plain)).tobytes() == plain.tobytes()


@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=PIECE_ROWS), st.sampled_from((1.0, 100.0, 1e6)))
def test_every_bit_of_what_only_rises_comes_back(numbers: list[int], scale: float) -> None:
    plain = array("d", sorted(number / scale for number in (numbers * PIECE_ROWS)[:PIECE_ROWS]))
    assert unpacked(packed(plain)).tobytes() == plain.tobytes()


def size(values: list[float]) -> float:
    """Return how many bytes a value takes when it is packed."""
    found = packed(array("d", values))
    return 8 / PIECE_ROWS if isinstance(found, float) else len(found) / PIECE_ROWS


def test_what_is_measured_takes_two_bytes_and_not_eight() -> None:
    chance = random.Random(1)
    assert size([round(chance.gauss(300e-6, 80e-6), 6) for _ in range(PIECE_ROWS)]) < 1.6
    assert size([round(chance.uniform(0.01, 0.05), 6) for _ in range(PIECE_ROWS)]) < 2.2
    assert size([1e12 + 15_000.0 * row + chance.randrange(9000) for row in range(PIECE_ROWS)]) < 2.2
    assert size([5.0] * PIECE_ROWS) == 8 / PIECE_ROWS
    assert size([chance.random() for _ in range(PIECE_ROWS)]) < 8.1


def filled(count: int) -> tuple[Column, list[float]]:
    column = Column(array("d"))
    for row in range(count):
        column.tail.append(row / 100)
        column.pack()
    return column, [row / 100 for row in range(count)]


@pytest.mark.parametrize(
    "count",
    [0, 1, OPEN_ROWS, PIECE_ROWS + OPEN_ROWS, 3 * PIECE_ROWS + OPEN_ROWS - 1, 5 * PIECE_ROWS + OPEN_ROWS + 7],
)
@pytest.mark.parametrize("gone", [0, 1, PIECE_ROWS - 1, PIECE_ROWS, 2 * PIECE_ROWS + 5])
def test_a_column_reads_like_a_list(count: int, gone: int) -> None:
    column, plain = filled(count)
    dropped = min(gone, count)
    column.drop(dropped)
    del plain[:dropped]
    assert len(column) == len(plain)
    assert list(column[:]) == plain
    assert [column[at] for at in range(len(plain))] == plain
    assert not plain or column[-1] == plain[-1]
    for low in range(0, len(plain) + 2, 61):
        for high in range(low, len(plain) + 40, 83):
            assert list(column[low:high]) == plain[low:high]


def test_the_newest_values_stay_open() -> None:
    column, _ = filled(1000)
    assert OPEN_ROWS <= len(column.tail) < PIECE_ROWS + OPEN_ROWS


def test_many_values_at_once_are_packed_too() -> None:
    column = Column(array("d", (1.5,)))
    column.extend(array("d", map(float, range(1000))))
    assert len(column.tail) < PIECE_ROWS + OPEN_ROWS
    assert list(column[:]) == [1.5, *map(float, range(1000))]


@pytest.mark.parametrize(("last", "same"), [(2.0, True), (3.0, False)])
def test_a_column_of_one_number_knows_it(last: float, same: bool) -> None:
    column = Column(array("d", (2.0,)) * 1000)
    column.tail[-1] = last
    assert column.same() is same


def test_the_sign_of_zero_makes_a_difference() -> None:
    assert not Column(array("d", (0.0, -0.0))).same()
    assert Column(array("d", (math.nan, math.nan))).same()
