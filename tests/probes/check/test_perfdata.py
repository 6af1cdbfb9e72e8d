"""What plug-ins say: the grammar of the guidelines, and all that careless ones make of it."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.check.perfdata import ITEMS_MAX, Item, Range, parse_item, parse_output, parse_range

LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def test_one_line_is_text_and_performance_data() -> None:
    said = parse_output("DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n")
    assert said.text == "DISK OK - free space: / 3326 MB (56%);"
    assert (said.more, said.unread) == ("", 0)
    item = said.items[0]
    assert (item.label, item.value, item.unit) == ("/", 2643e6, "bytes")
    assert (item.warn, item.crit) == (Range(0, 5948e6), Range(0, 5958e6))
    assert (item.min, item.max) == (0, 5968e6)


def test_further_lines_are_long_text_until_a_bar_and_then_performance_data() -> None:
    said = parse_output("OK | a=1\nline two\nline three | b=2\nc=3 d=4\n'e f'=5\n")
    assert (said.text, said.more) == ("OK", "line two\nline three")
    assert [(item.label, item.value) for item in said.items] == [
        ("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e f", 5)
    ]  # fmt: skip  # the pairs on one line


def test_a_text_alone_is_a_text() -> None:
    assert parse_output("PING ok").text == "PING ok"
    assert parse_output("") == parse_output("\n") == parse_output(" | ")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("'a b'=1", "a b"),
        ("'it''s'=1", "it's"),
        ("'''quoted'''=1", "'quoted'"),
        ("'a=b'=1", "a=b"),
        ("C:\\=1", "C:\\"),
        ("don't=1", "don't"),
        ("'open=1", "'open"),
    ],
)
def test_quotes_are_needed_for_spaces_and_doubled_within(text: str, label: str) -> None:
    assert [item.label for item in parse_output(f"x | {text} z=2").items] == [label, "z"]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1", 1, ""),
        ("-1.5", -1.5, ""),
        (".5", 0.5, ""),
        ("5.", 5, ""),
        ("+2", 2, ""),
        ("1e3", 1000, ""),
        ("2.5E-3s", 0.0025, "seconds"),
        ("7us", 7e-6, "seconds"),
        ("7ms", 0.007, "seconds"),
        ("3h", 10800, "seconds"),
        ("99%", 99, "percent"),
        ("12c", 12, "counter"),
        ("1KB", 1000, "bytes"),
        ("1kB", 1000, "bytes"),
        ("1KiB", 1024, "bytes"),
        ("2MiB", 2 * 1024**2, "bytes"),
        ("1TB", 1e12, "bytes"),
        ("8b", 8, "bits"),
        ("21.5C", 21.5, "celsius"),
        ("3dBm", 3, "dbm"),
        ("5apples", 5, "apples"),
        ("3EB", 3e18, "bytes"),
    ],
)
def test_a_value_comes_in_its_base_unit(text: str, value: float, unit: str) -> None:
    item = parse_item(f"x={text}")
    assert item is not None
    assert item.value == pytest.approx(value)
    assert item.unit == unit


@pytest.mark.parametrize("text", ["U", "", "abc", "1e999", "-", ".", "1,5e", "nan", "inf", "0x10"])
def test_an_unknown_value_is_left_out(text: str) -> None:
    item = parse_item(f"x={text};1;2")
    assert item is None or item.unit not in ("", "seconds", "bytes")


@pytest.mark.parametrize(
    ("text", "expected", "good", "bad"),
    [
        ("10", Range(0, 10), [0, 5, 10], [-0.1, 10.1]),
        ("10:", Range(10, math.inf), [10, 11], [9]),
        ("~:10", Range(-math.inf, 10), [-100, 10], [10.1]),
        ("10:20", Range(10, 20), [10, 20], [9, 21]),
        ("@10:20", Range(10, 20, inside=True), [9, 21], [10, 15, 20]),
        (":5", Range(0, 5), [0, 5], [-1]),
        ("-5:-1", Range(-5, -1), [-5, -1], [0]),
    ],
)
def test_a_threshold_alerts_outside_of_its_ends_or_inside(
    text: str, expected: Range, good: list[float], bad: list[float]
) -> None:
    assert parse_range(text) == expected
    assert [expected.alerts(value) for value in good] == [False] * len(good)
    assert [expected.alerts(value) for value in bad] == [True] * len(bad)


@pytest.mark.parametrize("text", ["", "x", "20:10", "1:2:3", "@", "~", "1..2"])
def test_what_is_no_range_is_none(text: str) -> None:
    assert parse_range(text) is None


def test_a_bad_piece_does_not_spoil_the_others() -> None:
    said = parse_output("x | a=1 rubbish b= c=U d=4;;;; =5 e=6;80%;x")
    assert [(item.label, item.value) for item in said.items] == [("a", 1), ("d", 4), ("e", 6)]
    assert said.unread == 4


def test_the_first_of_two_values_of_one_label_counts() -> None:
    assert [item.value for item in parse_output("x | a=1 a=2").items] == [1]


def test_there_is_a_bound_of_items() -> None:
    said = parse_output("x | " + " ".join(f"v{n}={n}" for n in range(ITEMS_MAX + 7)))
    assert (len(said.items), said.unread) == (ITEMS_MAX, 7)


def test_what_would_steer_a_terminal_is_not_passed_on() -> None:
    said = parse_output("\x1b[2Jgone\x00 | a\x1bb=1")
    assert said.text == "�[2Jgone�"
    assert said.items[0].label == "a�b"


@given(st.text())
def test_any_output_is_read_without_an_error(text: str) -> None:
    for item in parse_output(text).items:
        assert math.isfinite(item.value)
        assert item.label
        assert "\n" not in item.label


@given(st.binary())
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    parse_output(b"x | ".decode() + data.decode("utf-8", "replace"))


@given(st.text("'=;| \n@:~Ue.-+0123456789sKMB%", max_size=200))
def test_any_mixture_of_the_grammar_is_read_without_an_error(text: str) -> None:
    parse_output(f"x | {text}")
    parse_range(text)


@given(LABELS, NUMBERS, NUMBERS, NUMBERS)
def test_what_is_written_by_the_grammar_is_read_back(
    label: str, value: float, warn: float, most: float
) -> None:
    quoted = label.replace("'", "''")
    said = parse_output(f"OK | '{quoted}'={value!r};{abs(warn)!r};;;{most!r} z=1")
    assert said.items[0] == Item(label, value, "", Range(0, abs(warn)), None, None, most)
    assert said.unread == 0


@pytest.mark.parametrize("piece", ["'", "' ", "''' ", "'' '", "a=1 ", "a", "=", ";", "| ", "\n'", "9"])
def test_64_kib_of_anything_are_read_in_linear_time(piece: str) -> None:
    began_s = time.monotonic()
    parse_output("x | " + piece * (65536 // len(piece)))
    assert time.monotonic() - began_s < 5
