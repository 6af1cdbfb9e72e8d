from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decode import decode
from model.misfit import Misfit, Rejected
from probes.files.tally import LineRegex, Tally, Wanted, check
from tests.probes.files.scene import Seen


def wanted(text: str) -> Wanted:
    return decode(text.encode(), "f", Wanted)


def seen(tally: Tally) -> Seen:
    return Seen(tuple(tally.seen()))


def test_a_counter_stands_at_0_before_its_first_line() -> None:
    tally = Tally([wanted("{pattern: Down, regex: down}")])
    assert seen(tally).matches("Down") == 0
    tally.take_block("all is well\nit went down\ndown again\n", 0)
    assert seen(tally).matches("Down") == 2


def test_the_last_matching_line_is_told_once() -> None:
    tally = Tally([wanted("{pattern: Down, regex: down}")])
    tally.take_block("down 1\ndown\x002\nwell\n", 0)
    assert seen(tally).remarks == [('{pattern="Down"}', "down\ufffd2")]
    assert seen(tally).remarks == []


def test_an_exception_to_a_pattern_is_not_counted() -> None:
    tally = Tally([wanted("{pattern: Error, regex: '(?i)error', unless: 'error count: 0$'}")])
    tally.take_block("an ERROR\nerror count: 0\nerror count: 07\n", 0)
    assert seen(tally).matches("Error") == 2


def test_lines_that_differ_only_in_numbers_count_once_in_a_while() -> None:
    tally = Tally([wanted("{pattern: Slow, regex: slow, once_per: 60s}")])
    for at_s in (0, 10, 59):
        tally.take_block(f"request {at_s} slow\n", at_s)
    tally.take_block("disk slow\n", 59)
    told = seen(tally)
    assert told.matches("Slow") == 2
    assert told['beforehand_log_repeats_total{pattern="Slow"}'] == 2
    tally.take_block("request 4 slow\n", 60)
    assert seen(tally).matches("Slow") == 3


def test_named_groups_make_labels_and_their_values_are_bounded() -> None:
    text = r"{pattern: Http, regex: 'code=(?P<code>\S+)( by (?P<who>\w+))?', values_max: 3}"
    tally = Tally([wanted(text)])
    for number in range(100):
        tally.take_block(f"code={number}\n", 0)
    tally.take_block("code=0 by me\ncode=1\n", 0)
    told = seen(tally)
    assert told.matches("Http") == 102
    assert told.named("beforehand_log_values_total") == {
        'beforehand_log_values_total{code="0", pattern="Http"}': 1,
        'beforehand_log_values_total{code="1", pattern="Http"}': 2,
        'beforehand_log_values_total{code="2", pattern="Http"}': 1,
        'beforehand_log_values_total{code="other", pattern="Http", who="other"}': 98,
    }


@pytest.mark.parametrize(
    "text",
    [
        "{pattern: 'two words', regex: x}",
        "{pattern: A, regex: '(?P<pattern>x)'}",
        "{pattern: A, regex: '(?P<instance>x)'}",
        "{pattern: A, regex: '(?=x)'}",
        "{pattern: A, regex: x, values_max: 0}",
    ],
)
def test_what_cannot_be_counted_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        wanted(text)


def test_two_patterns_of_one_name_are_refused() -> None:
    one = wanted("{pattern: A, regex: x}")
    with pytest.raises(Misfit, match="named 'A'"):
        check((one, one))
    check((one,))


def test_groups_that_could_make_too_many_series_are_refused() -> None:
    many = [wanted(f"{{pattern: A{number}, regex: '(?P<who>x)', values_max: 1000}}") for number in range(6)]
    check(tuple(many[:5]))
    with pytest.raises(Misfit, match="too many series"):
        check(tuple(many))
    with pytest.raises(Misfit, match="too many patterns"):
        check(tuple(wanted(f"{{pattern: A{number}, regex: x}}") for number in range(101)))


PARTS = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "^",
        "$",
        r"\b",
        r"\B",
        r"\A",
        r"\z",
        r"\s",
        "[^a]",
        "(?i)A",
        "(?-m)",
        "a*",
        "|",
        "(b)",
        "x",
    ]
)
LINES = st.lists(st.text("abx A", max_size=5), max_size=6)


@given(st.lists(PARTS, min_size=1, max_size=5), LINES)
def test_searching_a_block_at_once_misses_no_line_that_matches(parts: list[str], lines: list[str]) -> None:
    try:
        regex = LineRegex("".join(parts))
    except Misfit:
        return
    if any(regex.line.search(line) for line in lines):
        assert regex.may_be_in("".join(f"{line}\n" for line in lines))


def test_an_expression_of_the_greatest_length_still_counts() -> None:
    tally = Tally([Wanted("Long", LineRegex("x" * 1022))])
    tally.take_block("x" * 1022 + "\n", 0)
    assert seen(tally).matches("Long") == 1
