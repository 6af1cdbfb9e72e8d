from __future__ import annotations

import math

import pytest

from rules.promql import QueryError
from tests.rules.promql.series import asked, assert_answer, refusal, stored

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("abs(vector(-2.5))", 2.5),
        ("ceil(vector(1.2))", 2),
        ("ceil(vector(-1.2))", -1),
        ("ceil(vector(Inf))", INF),
        ("ceil(vector(NaN))", NAN),
        ("floor(vector(-1.2))", -2),
        ("floor(vector(-Inf))", -INF),
        ("round(vector(2.5))", 3),
        ("round(vector(-2.5))", -2),
        ("round(vector(7), 5)", 5),
        ("round(vector(8), 5)", 10),
        ("round(vector(0.123), 0.1)", 0.1),
        ("round(vector(3), 0)", NAN),
        ("clamp(vector(5), 1, 3)", 3),
        ("clamp(vector(-5), 1, 3)", 1),
        ("clamp(vector(NaN), 1, 3)", NAN),
        ("clamp_min(vector(-5), 0)", 0),
        ("clamp_max(vector(5), 0)", 0),
        ("clamp_max(vector(5), NaN)", NAN),
        ("exp(vector(0))", 1),
        ("exp(vector(1e4))", INF),
        ("ln(vector(0))", -INF),
        ("ln(vector(-1))", NAN),
        ("ln(vector(Inf))", INF),
        ("log2(vector(8))", 3),
        ("log10(vector(1000))", 3),
        ("sqrt(vector(16))", 4),
        ("sqrt(vector(-1))", NAN),
        ("sgn(vector(-7))", -1),
        ("sgn(vector(7))", 1),
        ("sgn(vector(0))", 0),
        ("sgn(vector(NaN))", NAN),
        ("sin(vector(Inf))", NAN),
        ("cos(vector(0))", 1),
        ("acos(vector(2))", NAN),
        ("sinh(vector(-1e4))", -INF),
        ("cosh(vector(1e4))", INF),
        ("atanh(vector(1))", INF),
        ("acosh(vector(0.5))", NAN),
        ("deg(vector(pi()))", 180),
        ("rad(vector(180))", math.pi),
        ("minute(vector(1136239445))", 4),
        ("hour(vector(1136239445))", 22),
        ("day_of_week(vector(1136239445))", 1),
        ("day_of_week(vector(1136160000))", 1),
        ("day_of_week(vector(1136073600))", 0),
        ("day_of_month(vector(1136239445))", 2),
        ("day_of_year(vector(1136239445))", 2),
        ("month(vector(1136239445))", 1),
        ("year(vector(1136239445))", 2006),
        ("days_in_month(vector(1454284800))", 29),
        ("days_in_month(vector(1456790400))", 31),
        ("year(vector(-1))", 1969),
        ("year(vector(NaN))", 292277026596),
        ("year(vector(Inf))", 292277026596),
        ("minute()", 10),
        ("year()", 1970),
        ("vector(time())", 600),
        ("vector(scalar(vector(3)))", 3),
        ("vector(scalar(unknown))", NAN),
        ("+vector(3)", 3),
        ("-vector(3)", -3),
        ("--vector(3)", 3),
    ],
)
def test_a_function_of_values_computes_as_go_does(query: str, expected: float) -> None:
    assert_answer(stored(""), query, {"{}": expected})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("(-2) ^ 2", 4),
        ("2 ^ -1", 0.5),
        ("-3 * 2", -6),
        ("10 - 4 - 3", 3),
        ("7 % 4", 3),
        ("-7 % 4", -3),
        ("7 % -4", 3),
        ("5.5 % 2", 1.5),
        ("7 % 0", NAN),
        ("Inf % 2", NAN),
        ("2 % Inf", 2),
        ("1 / 0", INF),
        ("-1 / 0", -INF),
        ("1 / -0", -INF),
        ("0 / 0", NAN),
        ("NaN / 0", NAN),
        ("0 ^ -1", INF),
        ("0 ^ 0", 1),
        ("(-8) ^ 0.5", NAN),
        ("10 ^ 400", INF),
        ("(-10) ^ 401", -INF),
        ("1e308 * 10", INF),
        ("1 atan2 1", math.pi / 4),
        ("1 == bool 1", 1),
        ("1 != bool 1", 0),
        ("NaN == bool NaN", 0),
        ("NaN != bool NaN", 1),
        ("2 > bool 1", 1),
        ("2 <= bool 1", 0),
        ("1 + 1 == bool 2", 1),
        ("1h", 3600),
        ("1h30m", 5400),
        ("5m / 60", 5),
        ("0x1F", 31),
        ("0755", 493),
        ("089", 89),
        (".5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("1_000", 1000),
        ("inf", INF),
        ("-INF", -INF),
        ("nan", NAN),
        ("time()", 600),
        ("pi()", math.pi),
        ("scalar(vector(4)) * 2", 8),
        ("1 # a comment\n + 2", 3),
    ],
)
def test_a_scalar_is_computed_as_go_does(query: str, expected: float) -> None:
    assert_answer(stored(""), query, {"{}": expected})


SIZES = """
    size{disk="a",host="x"} 3+0x10
    size{disk="b",host="x"} 1+0x10
    size{disk="c",host="y"} NaN+0x10
    size{disk="d",host="y"} 2+0x10
"""


def test_sorting_puts_what_is_no_number_last() -> None:
    store = stored(SIZES)
    assert [key[11] for key, _ in asked(store, "sort(size)")] == ["b", "d", "a", "c"]
    assert [key[11] for key, _ in asked(store, "sort_desc(size)")] == ["a", "d", "b", "c"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("clamp(size, 3, 1)", {}),
        ('abs(size{disk="a"})', {'{disk="a", host="x"}': 3}),
        ('timestamp(size{disk="a"})', {'{disk="a", host="x"}': 600}),
        ('timestamp(size{disk="a"} offset 2m)', {'{disk="a", host="x"}': 480}),
        ('timestamp((size{disk="a"} offset 2m))', {'{disk="a", host="x"}': 480}),
        ('timestamp(size{disk="a"} offset 2m * 1)', {'{disk="a", host="x"}': 600}),
        ("absent(size)", {}),
        ('absent(gone{a="1",b!="2",c=~"3"})', {'{a="1"}': 1}),
        ('absent(gone{a="1",a="2",b="3"})', {'{b="3"}': 1}),
        ('absent((gone{a="1"}))', {'{a="1"}': 1}),
        ('absent(sum(gone{a="1"}))', {"{}": 1}),
        ('absent({__name__="gone",a="1"})', {'{a="1"}': 1}),
        ('absent_over_time(gone{a="1"}[5m])', {'{a="1"}': 1}),
        ("absent_over_time(size[5m])", {}),
        (
            'label_replace(size{disk="a"}, "place", "$2-$1", "host", "(.)()")',
            {'size{disk="a", host="x", place="-x"}': 3},
        ),
        (
            'label_replace(size{disk="a"}, "place", "${h}$$$9", "host", "(?P<h>.)")',
            {'size{disk="a", host="x", place="x$"}': 3},
        ),
        (
            'label_replace(size{disk="a"}, "place", "new", "host", "nothing")',
            {'size{disk="a", host="x"}': 3},
        ),
        ('label_replace(size{disk="a"}, "host", "", "host", ".*")', {'size{disk="a"}': 3}),
        (
            'label_replace(size{disk="a"}, "zone", "eu", "zone", "")',
            {'size{disk="a", host="x", zone="eu"}': 3},
        ),
        ('label_replace(size{disk="a"}, "__name__", "width", "", "")', {'width{disk="a", host="x"}': 3}),
        (
            'label_join(size{disk="a"}, "at", "/", "host", "disk", "none")',
            {'size{at="x/a/", disk="a", host="x"}': 3},
        ),
        ('label_join(size{disk="a"}, "host", "/")', {'size{disk="a"}': 3}),
    ],
)
def test_labels_are_written_and_absence_is_told(query: str, expected: dict[str, float]) -> None:
    assert_answer(stored(SIZES), query, expected)


def test_a_relabelling_that_makes_two_series_one_fails() -> None:
    with pytest.raises(QueryError, match="vector cannot contain metrics with the same labelset"):
        asked(stored(SIZES), 'label_replace(size, "disk", "same", "", "")')


@pytest.mark.parametrize(
    ("query", "offset", "sentence"),
    [
        ('label_replace(x, "", "", "", "")', 17, "'' is not a label name"),
        ('label_replace(x, "a", "", "", "(")', 30, "is not a regular expression"),
        ('label_join(x, "a", "", "")', 23, "'' is not a label name"),
        ('count_values("", x)', 13, "'' is not a label name"),
    ],
)
def test_a_bad_label_or_pattern_is_refused_where_it_stands(query: str, offset: int, sentence: str) -> None:
    wrong = refusal(query)
    assert wrong.offset == offset
    assert sentence in wrong.sentence


BUCKETS = """
    seconds_bucket{le="0.1"}  10+0x10
    seconds_bucket{le="0.2"}  30+0x10
    seconds_bucket{le="0.5"}  30+0x10
    seconds_bucket{le="1"}    36+0x10
    seconds_bucket{le="+Inf"} 40+0x10
    seconds_bucket{le="no"}   99+0x10
"""


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("0.5", 0.15),
        ("0.25", 0.1),
        ("0.1", 0.04),
        ("0", 0),
        ("0.75", 0.2),
        ("0.825", 0.75),
        ("0.95", 1),
        ("1", 1),
        ("-0.1", -INF),
        ("1.1", INF),
        ("NaN", NAN),
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(share: str, expected: float) -> None:
    assert_answer(stored(BUCKETS), f"histogram_quantile({share}, seconds_bucket)", {"{}": expected})


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ('b{le="1"} 5+0x10\nb{le="2"} 9+0x10', NAN),
        ('b{le="+Inf"} 5+0x10', NAN),
        ('b{le="1"} 0+0x10\nb{le="+Inf"} 0+0x10', NAN),
        ('b{le="-1"} 8+0x10\nb{le="+Inf"} 10+0x10', -1),
        # A count that falls counts as the one before.
        ('b{le="1"} 4+0x10\nb{le="2"} 3+0x10\nb{le="4"} 8+0x10\nb{le="+Inf"} 8+0x10', 1),
        # The bounds 1 and 1.0 are one bucket.
        ('b{le="1"} 1+0x10\nb{le="1.0"} 3+0x10\nb{le="+Inf"} 8+0x10', 1),
    ],
)
def test_the_corners_of_buckets(buckets: str, expected: float) -> None:
    assert_answer(stored(buckets), "histogram_quantile(0.5, b)", {"{}": expected})


def test_each_set_of_buckets_has_its_own_quantile() -> None:
    store = stored("""
        b{le="1",path="/"} 1+0x10
        b{le="+Inf",path="/"} 1+0x10
        b{le="8",path="/x"} 1+0x10
        b{le="+Inf",path="/x"} 1+0x10
    """)
    assert_answer(store, "histogram_quantile(1, b)", {'{path="/"}': 1, '{path="/x"}': 8})
