"""A rehearsal gives promtool's verdict, and says what came otherwise."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model.misfit import Rejected
from rules.file import compiled_for, load_rules
from rules.promql.dialect import Compat
from rules.unit_test.diff import told
from rules.unit_test.file import Suite, load_suite
from rules.unit_test.run import dump, play

RULES = """\
groups:
- name: second
  rules:
  - {record: doubled, expr: up * 2}
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page, where: '{{ $externalLabels.region }}'}
    annotations: {summary: '{{ $labels.job }} is {{ $value }}', empty: '{{ $labels.no }}'}
- name: first
  interval: 7h
  rules:
  - {record: up, expr: tripled / 3}
  - {alert: Down, expr: 'tripled == 6', keep_firing_for: 3m}
  - {alert: Clash, expr: 'many', labels: {a: same}}
  - {alert: Steps, expr: 'count_over_time(vector(1)[4m:]) == 8'}
"""


def suite(tests: list[dict[str, Any]], **more: Any) -> Suite:
    return load_suite(json.dumps({"rule_files": ["r.yml"], "tests": tests, **more}).encode(), "t.yml")


def lines(test: dict[str, Any], compat: Compat = "prometheus3", **more: Any) -> list[str]:
    """Return what is told of one test."""
    wanted = suite([{"interval": "1m", **test}], **more)
    rules = compiled_for(load_rules(RULES.encode(), "r.yml"), wanted.step_ms, compat)
    assert wanted.tests
    played = play(wanted.tests[0], wanted, [rules], compat)
    return [line for failure in played.failures for line in told(failure)]


def up(values: str, series: str = 'up{job="web"}') -> dict[str, Any]:
    return {"series": series, "values": values}


def alert(at: str, name: str, *expected: tuple[dict[str, str], dict[str, str]]) -> dict[str, Any]:
    each = [{"exp_labels": labels, "exp_annotations": texts} for labels, texts in expected]
    return {"eval_time": at, "alertname": name, "exp_alerts": each}


def expr(text: str, at: str, *samples: tuple[str, Any]) -> dict[str, Any]:
    each = [{"labels": labels, "value": value} for labels, value in samples]
    return {"expr": text, "eval_time": at, "exp_samples": each}


DOWN = ({"severity": "page", "job": "web"}, {"summary": "web is 0", "empty": ""})


def fires(series: list[dict[str, Any]], *tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input_series": series, "alert_rule_test": list(tests), **more}


def yields(series: list[dict[str, Any]], *tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input_series": series, "promql_expr_test": list(tests), **more}


ZERO = [up("0x5")]
LABELS, TEXTS = DOWN
SAME: Any = ({"a": "same", "b": "1"}, {}), ({"a": "same", "b": "2"}, {})
PENDING = 'ALERTS{alertname="Down",alertstate="pending",job="web",severity="page",where="eu"}'
SINCE = 'ALERTS_FOR_STATE{alertname="Down",job="web",severity="page",where="eu"}'
EU = {"external_labels": {"region": "eu"}}

# What is expected, and whether it comes.
STORIES: list[tuple[dict[str, Any], bool]] = [
    (fires(ZERO, alert("1m", "Down"), alert("2m", "Down", DOWN)), True),
    (fires(ZERO, alert("2m", "Down")), False),
    (fires(ZERO, alert("1m", "Down", DOWN)), False),
    (fires([up("1x5")], alert("5m", "Down")), True),
    # Annotations that are not written are expected to be absent; an empty text is a text.
    (fires(ZERO, alert("2m", "Down", (LABELS, {}))), False),
    (fires(ZERO, alert("2m", "Down", (LABELS, {"summary": "web is 0"}))), False),
    (fires(ZERO, alert("2m", "Down", ({**LABELS, "x": ""}, TEXTS))), False),
    # A moment between two evaluations sees the earlier one.
    (fires(ZERO, alert("119s", "Down"), alert("179s", "Down", DOWN)), True),
    (fires([up("0x2 1x3")], alert("3m", "Down")), True),
    (fires([up("0x2 stale _x3")], alert("3m", "Down")), True),
    (fires([up("0x2 _x9")], alert("6m", "Down", DOWN), alert("8m", "Down")), True),
    # Two rules of one name are looked at together.
    (fires([up("0x9"), up("6x9", "tripled")], alert("2m", "Down", DOWN, ({}, {}))), True),
    (fires([up("6x1 _x9", "tripled")], alert("5m", "Down", ({}, {})), alert("8m", "Down", ({}, {}))), True),
    (fires([up("6x1 _x9", "tripled")], alert("10m", "Down")), True),
    (fires([up("1", 'many{b="1"}'), up("1", 'many{b="2"}')], alert("0s", "Clash", *SAME)), True),
    (fires([up("1", "many"), up("1", 'many{a="2"}')], alert("0s", "Clash")), False),
    (fires([], {"eval_time": "1m", "exp_alerts": []}), False),
    (
        fires(ZERO, alert("2m", "Down", ({**LABELS, "where": "eu"}, TEXTS)), **EU),
        True,
    ),
    # A series that is written twice is what stands last.
    (yields([up("0x5"), up("1x5")], expr("up", "1m", ('up{job="web"}', 1))), True),
    (yields([up("1 3")], expr("doubled", "1m", ('doubled{job="web"}', 6))), True),
    (yields([up("1 3")], expr("doubled", "1m")), False),
    (yields([], expr("3", "0s", ("", 3)), expr("vector(2)", "0s", ("{}", 2))), True),
    (yields([], expr("none", "1m")), True),
    (yields([], expr("sum(", "0s")), False),
    (yields([], expr('"text"', "0s")), False),
    (yields([up("1x3", 'tripled{a="b"}')], expr('ALERTS{alertstate="firing"}', "1m")), True),
    (
        yields(ZERO, expr("ALERTS", "1m", (PENDING, 1)), expr("ALERTS_FOR_STATE", "1m", (SINCE, 0)), **EU),
        True,
    ),
]


@pytest.mark.parametrize(("test", "passes"), STORIES)
def test_a_story_ends_as_expected_or_not(test: dict[str, Any], passes: bool) -> None:
    assert (lines(test) == []) is passes


@pytest.mark.needs("promtool")
def test_promtool_gives_the_same_verdicts(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(RULES)
    for test, _ in STORIES:
        story = {"rule_files": ["r.yml"], "tests": [{"interval": "1m", **test}]}
        (tmp_path / "t.yml").write_text(json.dumps(story))
        argv = [shutil.which("promtool") or "", "test", "rules", "t.yml"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (lines(test, "prometheus2") == []), (test, done.stdout + done.stderr)


def test_groups_are_judged_in_the_order_asked_for_and_a_groups_own_interval_counts_for_nothing() -> None:
    story = {
        "input_series": [up("3x3", "tripled")],
        "promql_expr_test": [expr("doubled", "0s", ("doubled", 2))],
    }
    assert lines(story, group_eval_order=["first", "second"]) == []
    assert lines(story) != []


def test_a_subquery_without_a_step_takes_that_of_the_tests() -> None:
    story = {"alert_rule_test": [alert("5m", "Steps", ({}, {}))]}
    assert lines(story, evaluation_interval="30s") == []
    assert lines(story) != []


def test_a_range_takes_the_sample_at_its_start_only_where_prometheus_2_did() -> None:
    def story(count: int) -> dict[str, Any]:
        sample = ('{job="web"}', count)
        return {
            "input_series": [up("1x9")],
            "promql_expr_test": [expr("count_over_time(up[2m])", "5m", sample)],
        }

    assert lines(story(2)) == []
    assert lines(story(3), "prometheus2") == []


def test_the_last_bit_of_a_number_may_differ_where_the_file_says_so() -> None:
    story = {"promql_expr_test": [expr("vector(0.1 + 0.2)", "0s", ("{}", 0.3))]}
    assert lines(story) != []
    assert lines(story, fuzzy_compare=True) == []
    assert lines({"promql_expr_test": [expr("vector(1)", "0s", ("{}", 1.0001))]}, fuzzy_compare=True) != []


def test_a_story_may_begin_at_a_moment_of_its_own() -> None:
    for start in ("2026-01-31T12:00:00Z", "1769860800"):
        story = {"start_timestamp": start, "promql_expr_test": [expr("time()", "60s", ("", 1769860860))]}
        assert lines(story) == []


def test_what_differs_is_shown_beside_what_is_most_like_it() -> None:
    story = {
        "input_series": [up("0x5")],
        "alert_rule_test": [
            alert("2m", "Down", ({**DOWN[0], "severity": "ticket"}, {**DOWN[1], "summary": "web is gone"})),
        ],
    }
    assert lines(story)[1:] == [
        '    {alertname="Down", job="web"} fires otherwise:',
        '  -   label severity: "ticket"',
        '  +   label severity: "page"',
        '  -   annotation summary: "web is gone"',
        '  +   annotation summary: "web is 0"',
    ]


def test_what_is_missing_and_what_is_too_much_is_told_with_its_place() -> None:
    missing = lines({"alert_rule_test": [alert("1m", "Down", ({"job": "db"}, {}))]})
    assert missing[0].startswith("t.yml:1:")
    assert missing[0].endswith(": alert Down after 1m")
    assert missing[1] == '  - {alertname="Down", job="db"} should fire and does not'
    surplus = lines({"input_series": [up("6", "tripled")], "alert_rule_test": [alert("0s", "Down")]})
    assert surplus[1] == '  + {alertname="Down"} fires and should not'
    samples = lines({"input_series": [up("5")], "promql_expr_test": [expr("up", "0s", ("up", 1e6))]})
    assert samples[1:] == ["  - up 1e+06", '  + up{job="web"} 5']
    nan = lines({"promql_expr_test": [expr("vector(NaN)", "0s", ("{}", 0))]})
    assert nan[1:] == ["  - {} 0", "  + {} NaN"]


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        ({"input_series": [up("{{sum:1}}")]}, "has native histograms, which are not supported"),
        (
            {"promql_expr_test": [{"expr": "up", "exp_samples": [{"labels": "up", "histogram": "{{}}"}]}]},
            "native histograms are not supported",
        ),
        ({"alert_rule_test": [{"eval_time": "1m"}]}, "has no alertname"),
        ({"alert_rule_test": [alert("200y", "Down")]}, "more than 1000000 steps"),
        (
            {
                "input_series": [up("1", "many"), up("1", 'many{a="2"}')],
                "alert_rule_test": [alert("0s", "X")],
            },
            "the rule Clash failed after 0s: two results have the same labels",
        ),
    ],
)
def test_a_rehearsal_that_does_not_work_out_says_why(story: dict[str, Any], sentence: str) -> None:
    assert sentence in lines(story)[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("testz: []\n", "t.yml:1:1: unknown key 'testz'; did you mean 'tests'?"),
        ("tests: [{input_series: [{series: 'up{', values: 1}]}]\n", "t.yml:1:38: "),
        ("tests: [{input_series: [{series: up, values: '1 x'}]}]\n", "t.yml:1:49: 'x' is no value"),
        ("tests: [{alert_rule_test: [{eval_time: 5}]}]\n", "t.yml:1:40: '5' is not a duration"),
        ("tests: [{start_timestamp: yesterday}]\n", "'yesterday' is no moment"),
        ("tests: [{start_timestamp: 2026-01-31T12:00:00}]\n", "is no moment"),
        (
            "tests: [{promql_expr_test: [{expr: 1, exp_samples: [{value: '1'}]}]}]\n",
            "expected a number; write it without quotes",
        ),
        ("group_eval_order: [a, a]\n", "t.yml:1:1: a group stands twice"),
    ],
)
def test_a_mistake_in_a_file_of_tests_is_named_at_its_place(text: str, problem: str) -> None:
    with pytest.raises(Rejected) as caught:
        load_suite(text.encode(), "t.yml")
    assert problem in str(caught.value)


def test_numbers_are_read_as_go_reads_them_and_what_is_null_is_left_out() -> None:
    text = (
        "rule_files:\nevaluation_interval: 0\ntests:\n"
        "- promql_expr_test: [{expr: 1, eval_time: 0, exp_samples: [{value: 0x10}, {value: 010},"
        " {value: .inf}, {value: -.Inf}, {value: 1_0.5}, {value: 1e3}, {value: }]}]\n"
        "- input_series:\n  alert_rule_test:\n"
        "  - {alertname: 1, exp_alerts: [{exp_labels: , exp_annotations: {a: }}]}\n"
    )
    suite = load_suite(text.encode(), "t.yml")
    assert suite.step_ms == 60_000
    assert suite.tests
    (asked,) = suite.tests[0].promql_expr_test or ()
    assert [sample.value.value for sample in asked.exp_samples or ()] == [
        16,
        8,
        float("inf"),
        float("-inf"),
        10.5,
        1000,
        0,
    ]
    (test,) = suite.tests[1].alert_rule_test or ()
    assert (test.alertname, test.at_ms) == ("1", 0)
    assert test.exp_alerts
    assert test.exp_alerts[0].exp_annotations.each == (("a", ""),)
    assert load_suite(b"# nothing yet\n\n", "t.yml") == Suite()


def test_every_series_can_be_shown_after_a_test() -> None:
    wanted = suite([{"interval": "1m", "input_series": [up("1 2")], "promql_expr_test": [expr("up", "1m")]}])
    assert wanted.tests
    played = play(wanted.tests[0], wanted, [load_rules(RULES.encode(), "r.yml")])
    assert list(dump(played.store, 1 << 60)) == [
        'doubled{job="web"} 2@0s 4@60s',
        'up{job="web"} 1@0s 2@60s',
    ]
