"""What is no mistake and yet seldom meant is found, and what is meant is left alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from rules import packs
from rules.file import RuleFile, load_rules
from rules.lint.lint import FILE_LINTS, lint_file

PACKS = sorted(path for path in Path(packs.__path__[0]).glob("*.yml") if not path.name.endswith(".test.yml"))


def load(*rules: dict[str, object]) -> RuleFile:
    return load_rules(json.dumps({"groups": [{"name": "g", "rules": list(rules)}]}).encode(), "r.yml")


def alert(expr: str = "up == 0", name: str = "A", **more: object) -> dict[str, object]:
    return {"alert": name, "expr": expr, **more}


def found(lint: str, *rules: dict[str, object]) -> list[str]:
    findings = lint_file(load(*rules), FILE_LINTS)
    assert all(finding.lint == lint for finding in findings), findings
    return [finding.sentence for finding in findings]


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.name)
def test_the_packs_that_ship_give_no_cause_to_warn(path: Path) -> None:
    assert lint_file(load_rules(path.read_bytes(), path.name), FILE_LINTS) == []


def test_a_finding_names_its_place_its_lint_and_a_cure() -> None:
    (finding,) = lint_file(load(alert("sum(up) == 0")), FILE_LINTS)
    assert str(finding).startswith("r.yml:1:")
    assert "warning: 'A' aggregates the label instance away" in str(finding)
    assert str(finding).endswith("(fleet-scope)")
    assert lint_file(load(alert("sum(up) == 0")), ["value-in-labels"]) == []


def test_two_rules_of_one_name_and_labels_are_duplicates_whatever_they_ask() -> None:
    page = {"severity": "page"}
    (sentence,) = found("duplicate-rules", alert(labels=page), alert("up == 1", labels=page))
    assert sentence == "the rule 'A' has the same labels as the one in line 1"
    assert found("", alert(labels=page), alert(), alert(name="B"), {"record": "A", "expr": "up"}) == []


@pytest.mark.needs("promtool")
def test_promtool_finds_the_same_duplicates(tmp_path: Path) -> None:
    page = {"severity": "page"}
    for rules in ([alert(labels=page), alert("up == 1", labels=page)], [alert(labels=page), alert()]):
        (tmp_path / "r.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
        argv = [shutil.which("promtool") or "", "check", "rules", "--lint-fatal", "r.yml"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 3) is bool(lint_file(load(*rules), ["duplicate-rules"])), done.stdout


@pytest.mark.parametrize("text", ["{{ $value }}", "{{ .Value | humanize }}", "{{ if $value }}a{{ end }}"])
def test_a_label_that_changes_with_the_value_makes_another_alert_each_time(text: str) -> None:
    assert found("value-in-labels", alert(labels={"v": text})) == ["the label 'v' of 'A' changes with $value"]
    assert found("", alert(labels={"v": "{{ $labels.x }}"}, annotations={"v": text})) == []


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("{{ $labels.instance }} is down", "the label instance"),
        ("{{ with .Labels.host }}{{ . }}{{ end }}", "the label host"),
        ("We look at {{ $labels }}", "labels as a whole"),
        ("See {{ . }}", "labels as a whole"),
        ("10.1.2.3 does not answer", "the address 10.1.2.3"),
        ("shop-1.example.com:8080 is down", "the address shop-1.example.com:8080"),
        ("[2001:db8::1] is down", "the address [2001:db8::1]"),
    ],
)
def test_words_for_customers_carry_no_host_and_no_address(words: str, shown: str) -> None:
    sentence = f"the notice_de of 'A' tells customers {shown}"
    assert sentence in found("customer-words", alert(annotations={"notice_de": words}))
    assert found("", alert(annotations={"summary": words, "noticed": words})) == []


def test_words_for_customers_may_name_a_region_a_time_and_a_version() -> None:
    words = "Since 10:30 you cannot pay in {{ $labels.region }}. Version 1.2.3 is not affected."
    assert found("", alert(annotations={"notice": words})) == []


@pytest.mark.parametrize(
    ("expr", "sentence"),
    [
        ("disk_used_ratio > 90", "compares a ratio with 90"),
        ("90 < avg_over_time(disk_used_ratio[5m])", "compares a ratio with 90"),
        ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 90", "compares a ratio with 90"),
        ("max by (instance) (x_ratio) >= 10", "compares a ratio with 10"),
        ("x_percent / 100 > 80", "compares a ratio with 80"),
        ("(x_ratio * 100) > 0.9", "compares a percentage with 0.9"),
        (
            "node_filesystem_avail_bytes * 100 / node_filesystem_size_bytes < 0.9",
            "compares a percentage with 0.9",
        ),
        ("-x_ratio < -90", "compares a ratio with -90"),
    ],
)
def test_a_percentage_is_not_compared_with_a_ratio(expr: str, sentence: str) -> None:
    assert found("percentages", alert(expr)) == [f"'A' {sentence}"]


@pytest.mark.parametrize(
    "expr",
    [
        "disk_used_ratio > 0.9",
        "x_ratio * 100 > 90",
        "x_percent > 90",
        "x_percent > 0.1",
        "load_ratio > 2",
        "node_filesystem_avail_bytes * 100 / node_filesystem_size_bytes < 10",
        "rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m]) > 10",
        "a_bytes / b_bytes > 90",
        "sum without (a) (rate(x_total[5m]) * 100) / sum without (a) (rate(x_total[5m])) > 5",
        "x_ratio / 0.5 > 90",
    ],
)
def test_thresholds_that_fit_are_left_alone(expr: str) -> None:
    assert found("", alert(expr)) == []


@pytest.mark.parametrize(
    "expr",
    [
        "sum(up) < 3",
        "count by (job) (up) < 3",
        "avg without (instance) (x) > 1",
        "up == 0 and on (job) (count by (job) (up) > 1)",
        "vector(scalar(count(up))) > 1",
        "count_values('v', version)",
    ],
)
def test_a_rule_that_aggregates_the_instance_away_is_about_the_fleet(expr: str) -> None:
    assert len(found("fleet-scope", alert(expr))) == 1


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (instance, job) (x) > 1",
        "sum without (cpu) (x) > 1",
        "topk(3, x) > 1",
        'sum(x{instance="web1"}) > 1',
        "sum(vector(1))",
        "absent(up)",
        "max_over_time(x[5m]) > 1",
    ],
)
def test_a_rule_that_keeps_the_instance_is_about_a_host(expr: str) -> None:
    assert found("", alert(expr)) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ if gt $value 5 }}a{{ end }}", "'t' of 'A' compares $value with 5, which fails in Go"),
        ("{{ eq 0 .Value }}", "'t' of 'A' compares $value with 0, which fails in Go"),
        ('{{ query "sum(" }}', "'t' of 'A' asks for what cannot be read: "),
    ],
)
def test_a_template_that_would_print_an_error_is_found(text: str, sentence: str) -> None:
    (told,) = found("template-mistakes", alert(annotations={"t": text}))
    assert told.startswith(sentence)
    right = '{{ if gt $value 5.0 }}{{ query "up" | first | value }}{{ end }}{{ eq 1 2 }}'
    assert found("", alert(annotations={"t": right})) == []
