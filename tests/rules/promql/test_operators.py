from __future__ import annotations

import math

import pytest

from rules.promql import QueryError
from tests.rules.promql.series import asked, assert_answer, stored

DISKS = """
    avail{disk="a",host="x"}  10+0x10
    avail{disk="b",host="x"}  60+0x10
    avail{disk="c",host="y"}  50+0x10
    bytes{disk="a",host="x"} 100+0x10
    bytes{disk="b",host="x"} 100+0x10
    bytes{disk="d",host="y"} 100+0x10
    cores{host="x"}            4+0x10
    cores{host="y"}            2+0x10
    info{host="x",zone="eu"}   1+0x10
    info{host="y",zone="us"}   1+0x10
"""
A = '{disk="a", host="x"}'
B = '{disk="b", host="x"}'
C = '{disk="c", host="y"}'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("avail / bytes", {A: 0.1, B: 0.6}),
        ("avail / bytes < 0.25", {A: 0.1}),
        ("100 * avail / bytes", {A: 10, B: 60}),
        ("avail + 1", {A: 11, B: 61, C: 51}),
        ("100 - avail", {A: 90, B: 40, C: 50}),
        ("avail > 20", {f"avail{B}": 60, f"avail{C}": 50}),
        ("20 < avail", {f"avail{B}": 60, f"avail{C}": 50}),
        ("50 >= avail", {f"avail{A}": 10, f"avail{C}": 50}),
        ("avail != 50", {f"avail{A}": 10, f"avail{B}": 60}),
        ("avail > bool 20", {A: 0, B: 1, C: 1}),
        ("20 > bool avail", {A: 1, B: 0, C: 0}),
        ("avail == NaN", {}),
        ("avail < bytes", {f"avail{A}": 10, f"avail{B}": 60}),
        ("avail > bytes", {}),
        ("avail < bool bytes", {A: 1, B: 1}),
        ("avail == on(disk) bytes", {}),
        ("avail < on(disk) bytes", {'{disk="a"}': 10, '{disk="b"}': 60}),
        ("avail < ignoring(host) bytes", {'avail{disk="a"}': 10, 'avail{disk="b"}': 60}),
        ("avail / on(disk) bytes", {'{disk="a"}': 0.1, '{disk="b"}': 0.6}),
        ("avail / ignoring(host) bytes", {'{disk="a"}': 0.1, '{disk="b"}': 0.6}),
        ("avail / on(host) group_left cores", {A: 2.5, B: 15, C: 25}),
        ("avail / ignoring(disk) group_left() cores", {A: 2.5, B: 15, C: 25}),
        ("cores * on(host) group_right avail", {A: 40, B: 240, C: 100}),
        ("cores - on(host) group_right() avail", {A: -6, B: -56, C: -48}),
        (
            "avail * on(host) group_left(zone) info",
            {
                '{disk="a", host="x", zone="eu"}': 10,
                '{disk="b", host="x", zone="eu"}': 60,
                '{disk="c", host="y", zone="us"}': 50,
            },
        ),
        (
            "avail > on(host) group_left(zone) info",
            {
                'avail{disk="a", host="x", zone="eu"}': 10,
                'avail{disk="b", host="x", zone="eu"}': 60,
                'avail{disk="c", host="y", zone="us"}': 50,
            },
        ),
        ("cores < on(host) group_right avail", {f"avail{A}": 4, f"avail{B}": 4, f"avail{C}": 2}),
        ("avail * on(host) group_left(disk) cores", None),
        ("avail and bytes", {f"avail{A}": 10, f"avail{B}": 60}),
        ("avail unless bytes", {f"avail{C}": 50}),
        ("avail and on(host) cores == 2", {f"avail{C}": 50}),
        ("avail and ignoring(disk) cores > 2", {f"avail{A}": 10, f"avail{B}": 60}),
        ("avail and on() vector(1)", {f"avail{A}": 10, f"avail{B}": 60, f"avail{C}": 50}),
        ("avail and on() vector(1) < 0", {}),
        ("avail unless on() nothing", {f"avail{A}": 10, f"avail{B}": 60, f"avail{C}": 50}),
        ("cores or on(host) info", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        (
            "cores > 3 or info",
            {'cores{host="x"}': 4, 'info{host="x", zone="eu"}': 1, 'info{host="y", zone="us"}': 1},
        ),
        ("cores > 3 or on(host) info", {'cores{host="x"}': 4, 'info{host="y", zone="us"}': 1}),
        ("nothing or cores", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        ("cores or nothing", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        ("nothing and cores", {}),
        ("nothing / cores", {}),
        ("cores / nothing", {}),
        ("nothing + 1", {}),
        ("nothing > bool 1", {}),
        ("-cores", {'{host="x"}': -4, '{host="y"}': -2}),
        ("+cores", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        ("cores ^ 2", {'{host="x"}': 16, '{host="y"}': 4}),
        ("cores % 3", {'{host="x"}': 1, '{host="y"}': 2}),
        ("cores / 0", {'{host="x"}': math.inf, '{host="y"}': math.inf}),
        ("cores atan2 cores", {'{host="x"}': math.pi / 4, '{host="y"}': math.pi / 4}),
        ("cores + cores * 2", {'{host="x"}': 12, '{host="y"}': 6}),
        ("cores > 1 and cores < 3 or cores == 4", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        ("cores == cores or info == 2", {'cores{host="x"}': 4, 'cores{host="y"}': 2}),
        ("scalar(cores{host='x'}) + cores", {'{host="x"}': 8, '{host="y"}': 6}),
    ],
)
def test_two_sides_meet_as_in_prometheus(query: str, expected: dict[str, float] | None) -> None:
    if expected is None:
        with pytest.raises(QueryError, match="grouping labels must ensure unique matches"):
            asked(stored(DISKS), query)
    else:
        assert_answer(stored(DISKS), query, expected)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "avail / on(host) bytes",
            'found duplicate series for the match group {host="x"} on the right hand-side',
        ),
        ("cores / on(host) avail", "on the right hand-side"),
        ("avail * on(host) group_right cores", "on the left hand-side"),
        ("avail / on(host) cores", "many-to-one matching must be explicit"),
        ('{host="x"} * 2', "the same labelset"),
        ('-{host="x"}', "the same labelset"),
    ],
)
def test_an_ambiguous_pairing_fails(query: str, sentence: str) -> None:
    store = stored(DISKS + 'twin{host="x"} 1+0x10\n')
    with pytest.raises(QueryError) as error:
        asked(store, query)
    assert sentence in str(error.value)


def test_a_row_that_a_comparison_drops_cannot_be_ambiguous() -> None:
    assert_answer(stored(DISKS), "avail < on(host) cores * 3", {'{host="x"}': 10})


def test_the_right_side_is_not_read_when_the_left_side_is_empty() -> None:
    store = stored("few 1+0x10\nmany 0+1x10")
    assert asked(store, "nothing and (many / on(x) group_left many)") == []
    assert asked(store, "nothing * count_over_time(many[10m:1s])") == []
