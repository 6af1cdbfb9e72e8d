from __future__ import annotations

from collections.abc import Callable
from typing import Final

import promql_parser
import pytest

from model.misfit import Misfit
from rules.promql.check import check
from rules.promql.parser import parse
from tests.rules.promql.series import refusal

ACCEPTED: Final = """
up
up{}
{job="x"}
up{job="x",}
up{job=~"a.*",instance!~"b|c",zone!=""}
{"up"}
{"up", job="x"}
sum
sum{job="x"}
by
offset
and
start
end
job:up:sum
:up
avg by (job) (up)
avg(up) by (job)
avg without (job, instance,) (up)
sum by (on, ignoring, group_left, bool, sum) (up)
topk(3, up)
topk by (job) (3, up)
quantile(0.9, up)
count_values("version", build_info)
rate(up[5m])
rate(up[5m] offset 1h)
rate(up[1h30m])
rate(up[300])
rate(up[5m] @ 1609746000)
up @ start()
up @ end() offset 5m
up offset -5m
up offset 5m @ -1.5
max_over_time(rate(up[5m])[1h:1m])
max_over_time(up[1h:])
max_over_time((up == 0)[1h:30s] offset 5m)
1
1.5e3
0x1f
1e-3
.5
5m
Inf
-Inf
NaN
+1
1 + 2 * 3 ^ 4
1 == bool 1
up == 1
up == bool 1
up and up
up AND up
up or up
up unless on(job) up
up and ignoring(job) up
up * on(job) up
up * on(job) group_left up
up * on(job) group_left() up
up * on(job) group_left(version) info
up * ignoring(job) group_right(version) info
up % 2
up atan2 up
-up
-up ^ 2
- - up
(up)
((up))
"a string"
'a string'
`a raw string`
absent(up{job="x"})
time()
vector(1)
scalar(up)
hour()
hour(up)
day_of_week(vector(0))
round(up)
round(up, 5)
label_replace(up, "a", "$1", "b", "(.*)")
label_join(up, "a", ",", "b", "c", "d")
label_join(up, "a", ",")
histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[5m])))
clamp(up, 0, 1)
predict_linear(up[1h], 4 * 3600)
predict_linear(up[1h], -time())
quantile_over_time(0.5, up[5m])
absent_over_time(up[5m])
sgn(up)
pi() * 2
sum(rate(errors_total[5m])) by (job) / sum(rate(requests_total[5m])) by (job) > 0.05
up # a comment
"""

REFUSED: Final = [
    ("", 0, "unexpected the end of the expression"),
    ("   ", 3, "unexpected the end of the expression"),
    ("# only a comment", 16, "unexpected the end of the expression"),
    ("1 +", 3, "unexpected the end of the expression"),
    ("(up", 3, "unexpected the end of the expression"),
    ("up)", 2, "unexpected ')'"),
    ("up up", 3, "unexpected 'up'"),
    ("1 === 1", 4, "unexpected '='"),
    ("up = 1", 3, "unexpected '='"),
    ("*1", 0, "unexpected '*'"),
    ("up !", 3, "'!' stands alone"),
    ("up $ 1", 3, "the character '$' has no meaning here"),
    ("5mm", 0, "neither a number nor a duration"),
    ("1.5m", 0, "neither a number nor a duration"),
    ("rate(up[5])) ", 11, "unexpected ')'"),
    ("1x", 0, "'1x' is neither a number nor a duration"),
    ("0x", 0, "neither a number nor a duration"),
    ("1__0", 0, "neither"),
    ("'unclosed", 0, "the quoted string does not end"),
    ('"line\nbreak"', 0, "the quoted string does not end"),
    ('"\\q"', 1, "the escape"),
    ('up{job="\\xff"}', 8, "not UTF-8"),
    ('"\\400"', 1, "more than one byte"),
    ('"\\ud800"', 1, "is no character"),
    ("up{", 3, "unexpected the end"),
    ("up{job}", 6, "unexpected '}'"),
    ("up{job=x}", 7, "unexpected 'x'"),
    ('up{job=="x"}', 6, "unexpected '=='"),
    ('up{job="x" instance="y"}', 11, "unexpected 'instance'"),
    ("up{,}", 3, "unexpected ','"),
    ('up{1="x"}', 3, "unexpected '1'"),
    ('up{a:b="x"}', 3, "unexpected 'a:b'"),
    ('up{job=~"("}', 8, "is not a regular expression"),
    ('up{job=~"(?=x)"}', 8, "not RE2"),
    ('up{__name__="x"}', 0, "the metric name is given twice"),
    ('{"up", "down"}', 7, "the metric name is given twice"),
    ("{}", 0, "would match every series"),
    ('{job=""}', 0, "would match every series"),
    ('{job=~".*"}', 0, "would match every series"),
    ('sum({job!="x"})', 4, "would match every series"),
    ("up[5m", 5, "unexpected the end"),
    ("up[5m:", 6, "unexpected the end"),
    ("up[]", 3, "unexpected ']'"),
    ("up[0]", 3, "must be more than 0"),
    ("up[0s]", 3, "must be more than 0"),
    ("rate(up[-5m])", 8, "computed durations"),
    ("rate(up[5m+1m])", 10, "computed durations"),
    ("rate(up[5m:0s])", 11, "must be more than 0"),
    ("rate(up[(5m)])", 8, "computed durations"),
    ("rate(up[1s1m])", 8, "is not a duration"),
    ("rate(up[999y])", 8, "too long"),
    ("rate(up[1e30])", 8, "too long"),
    ("rate((up)[5m])", 9, "a range stands behind a selector only"),
    ("rate(rate(up[5m])[5m])", 17, "a range stands behind a selector only"),
    ("rate(up offset 1m [5m])", 18, "offset and @ stand behind the range"),
    ("rate(up @ 5 [5m])", 12, "offset and @ stand behind the range"),
    ("up offset", 9, "unexpected the end"),
    ("up offset x", 10, "unexpected 'x'"),
    ("(up) offset 5m", 5, "offset stands behind a selector"),
    ("1 offset 5m", 2, "offset stands behind a selector"),
    ("up offset 5m offset 5m", 13, "the offset is given twice"),
    ("up @", 4, "unexpected the end"),
    ("up @ up", 5, "unexpected 'up'"),
    ("up @ start", 10, "unexpected the end"),
    ("up @ Inf", 5, "unexpected 'Inf'"),
    ("up @ 1e300", 5, "too long"),
    ("up @ 1 @ 2", 7, "@ is given twice"),
    ("(up) @ 1", 5, "@ stands behind a selector"),
    ("up smoothed", 3, "experimental"),
    ("sum(up, up)", 0, "sum takes 1 argument, got 2"),
    ("sum()", 0, "sum takes 1 argument, got 0"),
    ("topk(up)", 0, "topk takes 2 arguments, got 1"),
    ("sum by job (up)", 7, "unexpected 'job'"),
    ("sum by (1) (up)", 8, "unexpected '1'"),
    ("sum by (job) up", 13, "unexpected 'up'"),
    ("sum by (job) (up) by (job)", 18, "unexpected 'by'"),
    ("sum(1)", 4, "sum takes an instant vector, got a scalar"),
    ("sum(up[5m])", 4, "sum takes an instant vector, got a range vector"),
    ("topk(up, up)", 5, "topk takes a scalar, got an instant vector"),
    ("topk('x', up)", 5, "topk takes a scalar, got a string"),
    ("count_values(5, up)", 13, "count_values takes a string, got a scalar"),
    ("limitk(2, up)", 0, "experimental"),
    ("rate(up)", 5, "rate takes a range vector, got an instant vector"),
    ("rate(5)", 5, "rate takes a range vector, got a scalar"),
    ("rate()", 0, "rate takes 1 argument, got 0"),
    ("rate(up[5m], 3)", 0, "rate takes 1 argument, got 2"),
    ("rate(up[5m],)", 11, "a comma ends the arguments"),
    ("abs(up[5m])", 4, "abs takes an instant vector, got a range vector"),
    ("abs(1)", 4, "abs takes an instant vector, got a scalar"),
    ("vector(up)", 7, "vector takes a scalar, got an instant vector"),
    ("scalar(1)", 7, "scalar takes an instant vector, got a scalar"),
    ("clamp(up, 1)", 0, "clamp takes 3 arguments, got 2"),
    ("round(up, 1, 2)", 0, "round takes 1 to 2 arguments, got 3"),
    ("hour(1)", 5, "hour takes an instant vector"),
    ("time(1)", 0, "time takes 0 arguments, got 1"),
    ("label_join(up)", 0, "label_join takes at least 3 arguments, got 1"),
    ("label_replace(up, 'a', 'b', 'c', 5)", 33, "label_replace takes a string, got a scalar"),
    ("rte(up[5m])", 0, "there is no function 'rte'"),
    ("RATE(up[5m])", 0, "there is no function 'RATE'"),
    ("histogram_sum(up)", 0, "native histograms are not supported"),
    ("holt_winters(up[5m], 0.5, 0.5)", 0, "is not supported"),
    ("info(up)", 0, "experimental"),
    ("1 == 1", 0, "comparing two scalars filters nothing"),
    ("sum(up) > (1 < 2)", 11, "comparing two scalars filters nothing"),
    ("up + bool 1", 5, "+ takes no bool"),
    ("up and bool up", 7, "and takes no bool"),
    ("up and 1", 7, "and takes two vectors, got a scalar"),
    ("1 or up", 0, "or takes two vectors, got a scalar"),
    ("up + on(job) 1", 13, "on and ignoring stand between two vectors only"),
    ("1 + ignoring(job) 1", 0, "on and ignoring stand between two vectors only"),
    ("up group_left up", 3, "unexpected 'group_left'"),
    ("up * group_left(a) up", 5, "group_left stands without on or ignoring"),
    ("up and on(job) group_left up", 15, "and takes no group_left"),
    ("up * on(a) group_left(a) up", 11, "the label 'a' is in on() and in group_left()"),
    ("up * on up", 8, "unexpected 'up'"),
    ("on", 0, "unexpected 'on'"),
    ("up + 'x'", 5, "+ takes a scalar or an instant vector, got a string"),
    ("up[5m] + 1", 0, "+ takes a scalar or an instant vector, got a range vector"),
    ("-'x'", 1, "the sign - takes a scalar or an instant vector, got a string"),
    ("-up[5m]", 1, "the sign - takes"),
    ("rate(1[5m:1m])", 5, "a subquery takes an instant vector, got a scalar"),
    ("rate(up[5m][5m:])", 5, "a subquery takes an instant vector, got a range vector"),
]


@pytest.mark.parametrize("query", ACCEPTED.strip().split("\n"))
def test_what_prometheus_accepts_is_accepted(query: str) -> None:
    check(parse(query))


@pytest.mark.parametrize(("query", "offset", "sentence"), REFUSED)
def test_a_mistake_is_refused_where_it_stands(query: str, offset: int, sentence: str) -> None:
    wrong = refusal(query)
    assert sentence in wrong.sentence
    assert wrong.offset == offset
    assert wrong.cure


def test_a_wrong_function_name_gets_the_nearest_right_one() -> None:
    assert refusal("rte(up[5m])").cure == "did you mean 'rate'?"
    assert refusal("avg_over_tme(up[5m])").cure == "did you mean 'avg_over_time'?"


# What that parser accepts: experimental parts that are refused here on purpose, and where it is wrong.
_ACCEPTED_THERE: Final = frozenset(
    (
        "limitk(2, up)",
        "histogram_sum(up)",
        "holt_winters(up[5m], 0.5, 0.5)",
        "info(up)",
        "up[0]",
        'up{job="\\xff"}',
        '{"up", "down"}',
        "up @ 1e300",
        "rate(up[999y])",
        "rate(up[1e30])",
    )
)


def oracle_accepts(query: str) -> bool:
    try:
        promql_parser.parse(query)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("query", ACCEPTED.strip().split("\n"))
def test_another_parser_accepts_the_same(query: str) -> None:
    assert oracle_accepts(query)


@pytest.mark.parametrize("query", [q for q, _, _ in REFUSED if q not in _ACCEPTED_THERE])
def test_another_parser_refuses_the_same(query: str) -> None:
    assert not oracle_accepts(query)


@pytest.mark.parametrize(
    "deep",
    [
        lambda n: "(" * n + "up" + ")" * n,
        lambda n: "-" * n + "up",
        lambda n: "abs(" * n + "up" + ")" * n,
        lambda n: "2^" * n + "2",
        lambda n: "up + " * n + "up",
        lambda n: "sum by (a) (" * n + "up" + ")" * n,
        lambda n: "up" + "[5m:]" * n,
        lambda n: "(" * n,
        lambda n: "max_over_time(" * n + "up" + "[5m:])" * n,
        lambda n: "1 or 1 and 1 == 1 + 1 * 1 ^ (" * n + "up" + ")" * n,
    ],
)
def test_deep_nesting_is_refused_and_never_overflows(deep: Callable[[int], str]) -> None:
    with pytest.raises(Misfit):
        parse(deep(10_000) if len(deep(10_000)) < 65_536 else deep(2_000))
    with pytest.raises(Misfit):
        parse(deep(1_000))


def test_a_chain_of_a_hundred_is_not_deep() -> None:
    check(parse(" or ".join(["up"] * 100)))
    check(parse("(" * 60 + "up" + ")" * 60))


def test_an_expression_that_is_too_long_is_refused() -> None:
    assert "too long" in refusal("a" * 70_000).sentence
