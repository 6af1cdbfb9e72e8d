"""``beforehand test`` runs rule tests and says in words, in XML and by its exit code how they went."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from agent import cli
from agent.checking import rule_tests

RULES = "groups:\n- name: g\n  rules:\n  - {alert: Down, expr: up == 0, labels: {a: b}}\n"


def case(name: str, *, right: bool) -> dict[str, object]:
    alerts = [{"exp_labels": {"a": "b"}}] if right else []
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": "up", "values": "0"}],
        "alert_rule_test": [{"eval_time": "0s", "alertname": "Down", "exp_alerts": alerts}],
    }


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "r.yml").write_text(RULES)
    file = tmp_path / "t.yml"
    tests = [case("good one", right=True), case("bad one", right=False), case("bad two", right=False)]
    file.write_text(json.dumps({"rule_files": ["[r].yml", "r.yml", "none-*.yml"], "tests": tests}))
    return file


def test_what_fails_is_told_and_the_exit_code_is_1(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", str(suite)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [f"Unit Testing:  {suite}", "  WARNING: no file matches none-*.yml", "  FAILED:"]
    assert told[3] == "    bad one"
    assert told[4].endswith(": alert Down after 0s")
    assert told[5] == '        + {a="b", alertname="Down"} fires and should not'
    assert "    bad two" in told
    assert not any("good one" in line for line in told)


def test_only_the_tests_that_are_asked_for_are_run(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", "--run", "^good", str(suite)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["  SUCCESS", ""]
    assert cli.main(["test", "--run", "^good", "--run", "two$", str(suite)]) == 1
    told = capsys.readouterr().out
    assert "bad two" in told
    assert "bad one" not in told
    assert cli.main(["test", "--run", "(", str(suite)]) == 2


def test_the_outcomes_are_written_as_junit_xml(suite: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.yml"
    written = tmp_path / "junit.xml"
    assert cli.main(["test", "--junit", str(written), str(suite), str(missing)]) == 1
    root = ElementTree.fromstring(written.read_bytes())
    first, second = root
    assert (first.get("name"), first.get("tests"), first.get("failures")) == (str(suite), "3", "2")
    assert [one.get("name") for one in first] == ["good one", "bad one", "bad two"]
    assert [len(one) for one in first] == [0, 1, 1]
    assert "fires and should not" in (first[1][0].text or "")
    assert (second.get("errors"), second[0][0].tag) == ("1", "error")


def test_a_junit_file_that_cannot_be_written_is_told(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", "--run", "good", "--junit", str(suite / "x"), str(suite)]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_every_series_is_shown_on_demand(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", "--debug", "--run", "good", str(suite)]) == 0
    told = capsys.readouterr().out
    assert "  DEBUG: good one: up 0@0s" in told
    assert 'DEBUG: good one: ALERTS{a="b", alertname="Down", alertstate="firing"} 1@0s' in told


def test_a_name_cannot_forge_a_line_of_the_outcome(tmp_path: Path) -> None:
    file = tmp_path / "t.yml"
    test = {**case("evil\x1b[2J\x9b", right=True), "promql_expr_test": []}
    file.write_text(json.dumps({"tests": [test]}))
    report = rule_tests.run(file, rule_tests.Wish())
    assert not report.ok
    assert "\x1b" not in "".join(report.lines())
    assert b"\x1b" not in rule_tests.junit([report])
    ElementTree.fromstring(rule_tests.junit([report]))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "the file cannot be read"),
        ({"t.yml": "tests: 5\n"}, "expected a list"),
        ({"t.yml": "rule_files: [r.yml]\n", "r.yml": "groups: 5\n"}, "r.yml:1:9: expected a list"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_its_place(
    tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    report = rule_tests.run(tmp_path / "t.yml", rule_tests.Wish())
    assert not report.ok
    assert sentence in report.unread
