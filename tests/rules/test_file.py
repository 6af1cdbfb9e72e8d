"""Rule files of Prometheus are read as Prometheus reads them, and every mistake is named at its place."""

from __future__ import annotations

import pytest

from model.labels import Labels
from model.misfit import Rejected
from rules.file import LIMITS, AlertingRule, RecordingRule, RuleFile, load_rules
from rules.template.value import View


def load(text: str) -> RuleFile:
    return load_rules(text.encode(), "r.yml")


def problems(text: str) -> list[str]:
    with pytest.raises(Rejected) as caught:
        load(text)
    return [str(problem) for problem in caught.value.problems]


def group(*rules: str, more: str = "") -> str:
    return f"groups:\n- name: g\n{more}  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


WHOLE = """\
groups:
- name: checkout
  interval: 15s
  query_offset: 5s
  limit: 10
  labels: {team: payments, severity: info}
  rules:
  - record: job:errors:rate5m
    expr: sum by (job) (rate(errors_total[5m]))
    labels: {kind: 0x720}
  - alert: CheckoutDown
    expr: |
      probe_success{service="checkout"}
        == 0
    for: 1m30s
    keep_firing_for: 5m
    labels: {severity: critical, on: yes, port: 080, none: , quoted: "1"}
    annotations:
      summary: '{{ $labels.instance }} does not answer.'
"""


def test_a_whole_rule_file_is_read() -> None:
    file = load(WHOLE)
    (checkout,) = file.groups
    assert (file.file, checkout.name, checkout.limit) == ("r.yml", "checkout", 10)
    assert checkout.interval is not None
    assert checkout.query_offset is not None
    assert (checkout.interval.ms, checkout.query_offset.ms) == (15_000, 5_000)
    recording, alerting = checkout.rules.each
    assert isinstance(recording, RecordingRule)
    assert isinstance(alerting, AlertingRule)
    assert (recording.name, recording.expr.query.metrics) == (
        "job:errors:rate5m",
        frozenset({"errors_total"}),
    )
    assert (alerting.name, alerting.for_.ms, alerting.keep_firing_for.ms) == ("CheckoutDown", 90_000, 300_000)
    assert alerting.annotations.render(View(Labels.of(instance="web1"))) == {
        "summary": "web1 does not answer."
    }


def test_label_values_stay_texts_as_they_are_written() -> None:
    recording, alerting = load(WHOLE).groups[0].rules.each
    assert recording.labels.texts() == {"kind": "0x720", "team": "payments", "severity": "info"}
    assert alerting.labels.texts() == {
        "team": "payments",
        "severity": "critical",
        "on": "yes",
        "port": "080",
        "none": "",
        "quoted": "1",
    }


def test_an_expression_may_be_a_bare_number_and_a_group_may_have_no_rules() -> None:
    text = (
        "groups:\n- name: a\n  rules: [{record: one, expr: 1}]\n- {name: b, rules: }\n- {name: c, labels: }\n"
    )
    one, none, _ = load(text).groups
    assert one.rules.each[0].expr.text == "1"
    assert none.rules.each == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (group("{alert: A, expr: up ==}"), "r.yml:4:27: "),
        (group("{alert: A, expr: 'up =='}"), "r.yml:4:28: "),
        (group("alert: A\n    expr: |\n      up\n        == ="), "r.yml:7:12: "),
        (group("{alert: A, expr: }"), "r.yml:4:"),
        (group("{alert: A, expr: 'up[5m]'}"), "a rule cannot use a range vector; write an expression"),
        (group("{alert: A, expr: '\"x\"'}"), "a rule cannot use a string; write an expression"),
        (group("{alert: A}"), "r.yml:4:5: the key 'expr' is missing; add expr:"),
        (group("{alert: '', expr: up}"), "r.yml:4:14: the name is empty; write a name"),
        (group("{alert: A, expr: up, fro: 5m}"), "r.yml:4:26: unknown key 'fro'; did you mean 'for'?"),
        (group("{alret: A, expr: up}"), "r.yml:4:6: unknown key 'alret'; did you mean 'alert'?"),
        (group("{alert: A, record: b, expr: up}"), "r.yml:4:5: a rule has both alert: and record:; "),
        (group("{record: b, expr: up, for: 5m}"), "r.yml:4:27: a recording rule has no 'for'; remove it"),
        (group("{record: 'b{}', expr: up}"), "r.yml:4:15: 'b{}' is not a metric name; "),
        (group("{alert: A, expr: up, for: 5 m}"), "r.yml:4:31: '5 m' is not a duration; "),
        (group("{alert: A, expr: up, labels: {a-b: c}}"), "r.yml:4:35: 'a-b' may not name a label; "),
        (group("{alert: A, expr: up, labels: {__name__: c}}"), "'__name__' may not name a label; "),
        (group("{alert: A, expr: up, annotations: {1a: c}}"), "r.yml:4:40: '1a' may not name a label; "),
        (group("{alert: A, expr: up, labels: [a]}"), "r.yml:4:34: expected a mapping, got a list; "),
        (group("{alert: A, expr: up, labels: {a: [b]}}"), "r.yml:4:38: expected a template, got a list; "),
        (group("{alert: A, expr: up, labels: {a: '{{ $x }}'}}"), "r.yml:4:42: there is no variable $x"),
        (
            group("{alert: A, expr: up, annotations: {a: 'b {{ humanise 1 }}'}}"),
            "r.yml:4:49: there is no function 'humanise'; did you mean 'humanize'?",
        ),
        (group("<<: 5\n    alert: A\n    expr: up"), "r.yml:4:5: only mappings can be merged"),
        (group("<<: {fro: 1m}\n    alert: A\n    expr: up"), "r.yml:4:10: unknown key 'fro'"),
        (group("up"), "r.yml:4:5: expected a mapping, got 'up'; "),
        ("groups:\n- name: a\n- name: b\n- name: a\n", "r.yml:4:9: the group 'a' stands already in line 2; "),
        ("groups:\n- rules: []\n", "r.yml:2:3: the key 'name' is missing; add name:"),
        ("groups:\n- name: a\n  rules: {}\n", "r.yml:3:10: expected a list, got a mapping; "),
        ("groups:\n- name: a\n  limit: many\n", "r.yml:3:10: expected a number, got 'many'; "),
        ("rules: []\n", "r.yml:1:1: unknown key 'rules'; "),
        ("groups: a: b\n", "this is not YAML"),
        ("", "the file is empty"),
    ],
)
def test_each_mistake_is_named_at_its_place(text: str, problem: str) -> None:
    assert any(problem in found for found in problems(text)), problems(text)


def test_all_mistakes_are_told_at_once() -> None:
    text = (
        "groups:\n- name: a\n  rules:\n  - {alert: A, expr: sum(, for: x}\n"
        "  - {record: b-c, expr: up, annotations: {a: b}}\n"
        "- name: a\n  rules:\n  - {alert: B, expr: up, labels: {'a b': '{{', c: '{{ end }}'}}\n"
    )
    assert [found.split(": ")[0] for found in problems(text)] == [
        "r.yml:4:26",
        "r.yml:4:33",
        "r.yml:5:14",
        "r.yml:5:29",
        "r.yml:6:9",
        "r.yml:8:35",
        "r.yml:8:43",
        "r.yml:8:52",
    ]


def test_keys_are_merged_from_other_mappings_and_what_is_written_in_place_wins() -> None:
    text = (
        "groups:\n- name: g\n  rules:\n"
        "  - &page {alert: A, expr: up, for: 5m, labels: &hard {severity: page}}\n"
        "  - <<: *page\n    alert: B\n"
        "  - <<: [{for: 1m}, *page]\n    alert: C\n    labels: {<<: *hard, team: web, severity: ticket}\n"
    )
    _, second, third = load(text).groups[0].rules.each
    assert isinstance(second, AlertingRule)
    assert isinstance(third, AlertingRule)
    assert (second.name, second.for_.s, second.labels.texts()) == ("B", 300, {"severity": "page"})
    assert (third.name, third.for_.s) == ("C", 60)
    assert third.labels.texts() == {"team": "web", "severity": "ticket"}


def test_merging_counts_against_the_size_of_a_file() -> None:
    keys = ", ".join(f"k{n}: v" for n in range(1000))
    rules = (f"{{alert: A{n}, expr: up, labels: {{<<: *many, a: b}}}}" for n in range(200))
    text = group(f"{{alert: A, expr: up, labels: &many {{{keys}}}}}", *rules)
    assert "too many values" in problems(text)[0]


def test_one_name_with_other_labels_or_another_expression_is_another_rule() -> None:
    load(
        group(
            "{alert: A, expr: up}",
            "{alert: A, expr: up, labels: {severity: page}}",
            "{alert: A, expr: up > 1}",
        )
    )


def test_the_same_rule_twice_is_read_since_prometheus_reads_it() -> None:
    assert len(load(group("{alert: A, expr: up}", "{alert: A, expr: up}")).groups[0].rules.each) == 2


def test_a_rule_file_may_be_larger_than_a_configuration_but_is_bounded() -> None:
    rules = (f"{{alert: A{n}, expr: up == {n}, annotations: {{t: '{'x' * 500}'}}}}" for n in range(3000))
    assert len(load(group(*rules)).groups[0].rules.each) == 3000
    (problem,) = problems("#" * (LIMITS.file_bytes_max + 1))
    assert "bytes" in problem
