from __future__ import annotations

import time

import pytest

from model.misfit import Misfit
from model.regex import REGEX_BYTES_MAX, compiled


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("a.b", "a\nb", True),
        ("a", "aa", False),
        ("", "", True),
        (".*", "", True),
        ("((?i)PRO).*", "production", True),
        (".*((?i)DUC)TION", "production", False),
        ("a(?i)b", "aB", True),
        ("(?-s)a.b", "a\nb", False),
        (r"ab\z", "ab", True),
        (r"ab$", "ab\n", False),
        ("[[:alpha:]]+", "abc", True),
        ("[[:^alpha:]]+", "abc", False),
        (r"\pL+", "äß", True),
        (r"\d", "٣", False),
        ("(?i)ä", "Ä", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\Qa.b\E", "axb", False),
        ("x{2,}", "xx", True),
        ("a{,2}", "a{,2}", True),
        (".", "\ud800", True),
    ],
)
def test_expressions_mean_what_they_mean_in_prometheus(pattern: str, text: str, matched: bool) -> None:
    assert compiled(pattern).matches(text) is matched
    assert (compiled(pattern).fullmatch(text) is not None) is matched


def test_a_dot_stops_at_the_end_of_a_line_where_that_is_asked_for() -> None:
    assert compiled("a.b", dot_all=False).search("xa-b") is not None
    assert compiled("a.b", dot_all=False).search("a\nb") is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=x)", "look-around"),
        ("(?!x)", "look-around"),
        ("(?<=x)", "look-around"),
        ("(?<!x)", "look-around"),
        (r"(x)\1", "back-references"),
        ("(?P<a>x)(?P=a)", "back-references"),
        (r"a\Z", "not RE2"),
        (r"\C", "a single byte"),
        ("(", r"missing \)"),
        ("a**", "bad repetition operator"),
        ("a++", "bad repetition operator"),
        ("a{1001}", "invalid repetition size"),
        ("(?>a)", "invalid perl operator"),
        ("(?x)a", "invalid perl operator"),
        (r"\ca", "invalid escape"),
        ("[b-a]", "invalid character class range"),
        ("x" * (REGEX_BYTES_MAX + 1), "too long"),
        (r"((\pL{100}){10}){1000}", "repetition|too large"),
    ],
)
def test_what_prometheus_refuses_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        compiled(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "([a-z]+)*=", "(.*)*x", "(a|b|ab)*c"])
def test_no_expression_takes_longer_than_the_text_is_long(pattern: str) -> None:
    regex = compiled(pattern)
    began = time.perf_counter()
    for _ in range(20):
        assert not regex.matches("a" * 26 + "!")
    assert (time.perf_counter() - began) / 20 < 0.005
    assert not regex.matches("a" * 100_000 + "!")


@pytest.mark.parametrize(
    ("pattern", "text", "template", "expanded"),
    [
        ("(.*)-(.*)", "a-b", "$2:$1", "b:a"),
        ("(.*)-(.*)", "a-b", "${1}x$1x", "ax"),
        ("(?<first>.*)-.*", "a-b", "$first", "a"),
        ("(?P<first>.*)-.*", "a-b", "${first}$$", "a$"),
        ("(a)|(b)", "a", "[$1$2$3$0]", "[aa]"),
        ("a", "a", "$ ${ $x $99999999", "$ ${  "),
        ("(ä+)", "ää", "$1", "ää"),
    ],
)
def test_groups_are_filled_in_as_go_does(pattern: str, text: str, template: str, expanded: str) -> None:
    match = compiled(pattern).fullmatch(text)
    assert match is not None
    assert match.expanded(template) == expanded


def test_a_group_that_there_is_not_is_empty() -> None:
    match = compiled("(a)|(b)").fullmatch("a")
    assert match is not None
    assert (match[0], match[1], match[2], match[3], match["x"]) == ("a", "a", "", "", "")


@pytest.mark.parametrize(
    ("pattern", "text", "template", "replaced"),
    [
        ("a*", "baaac", "x", "xbxcx"),
        ("a*", "aab", "x", "xbx"),
        ("(a)b", "abab", "x$1", "xaxa"),
        ("^a", "aa", "-", "-a"),
        ("ä", "bäc", "ö", "böc"),
        ("z", "abc", "x", "abc"),
    ],
)
def test_every_match_is_replaced_as_go_does(pattern: str, text: str, template: str, replaced: str) -> None:
    assert compiled(pattern).replaced(text, template) == replaced
