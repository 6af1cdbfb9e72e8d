"""Values go through the socket and come back the same; what is not declared does not come through."""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.deed import RemoveOld, Strategy, VacuumJournal
from model.misfit import Misfit
from model.step import Exec, Gather, Result, Step
from remediations.apart.packing import Garbled, pack, unpack
from remediations.apart.words import Request

KINDS = typing.get_args(Step)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise Misfit("13 is not liked here", "take 12")


@dataclass(frozen=True, slots=True)
class Outer:
    text: str
    share: float
    so: bool
    maybe: int | None
    words: tuple[str, ...]
    pair: tuple[int, str]
    colour: Colour
    size: Literal["small", 7]
    inner: Inner
    several: tuple[Inner, ...] = ()


PLAIN = Outer("x", 0.5, True, None, ("a",), (1, "b"), Colour.BLUE, 7, Inner(3), (Inner(4),))


def changed(**fields: Any) -> bytes:
    raw = json.loads(pack(PLAIN))
    return json.dumps({**raw, **fields}).encode()


def test_a_value_comes_back_as_it_was() -> None:
    assert unpack(pack(PLAIN), [Outer]) == PLAIN


@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=6),
    st.floats(0, 600),
    st.booleans(),
    st.lists(st.integers(0, 255)),
)
def test_every_step_comes_back_as_it_was(
    words: list[str], timeout_s: float, flag: bool, codes: list[int]
) -> None:
    step = Exec(tuple(words), timeout_s, detached=flag, allowed_rc=tuple(codes))
    assert unpack(pack(step), KINDS) == step
    request = Request(1, "o", 5, "p", "r", step, flag)
    assert unpack(pack(request), [Request]) == request
    assert pack(step) == pack(Exec(tuple(words), timeout_s, detached=flag, allowed_rc=tuple(codes)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_a_step_of_every_kind_comes_back_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    numbers: dict[Any, Any] = {float: st.floats(0, 1e300), int: st.integers(-(1 << 62), 1 << 62)}
    # Inner numbers as well have to be such as JSON can say.
    old = st.builds(RemoveOld, age_s=numbers[float])
    numbers[tuple[Strategy, ...]] = st.tuples(old, st.builds(VacuumJournal, numbers[int], numbers[float]))
    hints = typing.get_type_hints(kind).items()
    step = data.draw(st.builds(kind, **{name: numbers[hint] for name, hint in hints if hint in numbers}))
    assert unpack(pack(step), KINDS) == step


@pytest.mark.parametrize(
    "fields",
    [
        {"text": 1},
        {"text": None},
        {"share": "1"},
        {"share": True},
        {"share": 10**400},
        {"so": 1},
        {"maybe": "1"},
        {"maybe": 1.0},
        {"maybe": 1 << 63},
        {"words": "a"},
        {"words": [1]},
        {"words": None},
        {"pair": [1]},
        {"pair": [1, "b", 2]},
        {"colour": "green"},
        {"size": "7"},
        {"size": True},
        {"inner": {"kind": "Outer"}},
        {"inner": {"kind": "Inner", "number": 1, "more": 2}},
        {"inner": {"number": 1}},
        {"inner": 5},
        {"inner": {"kind": "Inner", "number": 13}},
        {"more": 1},
        {"kind": "Result"},
        {"kind": ["Outer"]},
    ],
    ids=str,
)
def test_what_is_not_declared_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        unpack(changed(**fields), [Outer])


def test_a_field_that_is_missing_is_refused_even_where_it_has_a_default() -> None:
    raw = json.loads(pack(PLAIN))
    del raw["several"]
    with pytest.raises(Garbled, match="several"):
        unpack(json.dumps(raw).encode(), [Outer])


def test_a_whole_number_may_stand_for_a_number() -> None:
    assert unpack(changed(share=3), [Outer]).share == 3.0


def test_a_number_that_overflows_is_refused() -> None:
    with pytest.raises(Garbled):
        unpack(pack(PLAIN).replace(b"0.5", b"1e999"), [Outer])


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(Garbled, match="'Gather' is nothing that is known here"):
        unpack(pack(Gather("top")), [Result])


@given(st.binary(max_size=200))
def test_no_bytes_make_more_of_a_mess_than_a_refusal(data: bytes) -> None:
    with pytest.raises(Garbled):
        unpack(data, [Request])


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["step", "run", "version", "check", "once", "issued_ms", "playbook"]), _ANYTHING)
def test_a_request_with_anything_in_one_field_is_refused_or_is_one(field: str, anything: object) -> None:
    raw = json.loads(pack(Request(1, "o", 5, "p", "r", Exec(("true",)), check=False)))
    raw[field] = anything
    try:
        made = unpack(json.dumps(raw).encode(), [Request])
    except Garbled:
        return
    assert unpack(pack(made), [Request]) == made
    assert isinstance(made.step, KINDS)
