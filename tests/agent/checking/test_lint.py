"""``beforehand check`` warns of rules and playbooks that nothing on this host feeds or triggers."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import cli
from agent.checking import lint
from agent.config import load
from model.misfit import Misfit

AGENT = """\
rules: [rules.yml, self]
playbooks: [book.yml]
probes:
- cpu: {}
- http: {target: "http://127.0.0.1:1/"}
"""
RULES = """\
groups:
- name: g
  rules:
  - {record: recorded, expr: 'rate(node_cpu_seconds_total[5m])'}
  - {alert: Busy, expr: 'recorded > 0.9 and up == 1', labels: {severity: warning, host: '{{ $labels.x }}'}}
  - {alert: Typo, expr: 'probe_sucess == 0'}
  - {alert: Elsewhere, expr: 'zzz > 1 or {__name__=~"x.*"} > 2'}
"""
BOOK = """\
playbook: restart
summary: Restart it.
on: ['%s']
steps: [{collect: [top]}]
"""


@pytest.fixture
def agent_yaml(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "book.yml").write_text(BOOK % 'alertname="Busy"')
    return tmp_path / "agent.yaml"


def found(agent_yaml: Path, name: str) -> list[tuple[str, str]]:
    return [(each.sentence, each.cure) for each in lint.lint_installation(load(agent_yaml), [name])]


def test_a_metric_that_no_probe_brings_and_no_rule_records_is_named_with_the_nearest(
    agent_yaml: Path,
) -> None:
    assert found(agent_yaml, "unknown-metrics") == [
        (
            "'Typo' reads 'probe_sucess', which no probe here brings and no rule records",
            "did you mean 'probe_success'?",
        ),
        (
            "'Elsewhere' reads 'zzz', which no probe here brings and no rule records",
            "add the probe that brings it",
        ),
    ]


@pytest.mark.parametrize(
    "matcher",
    [
        'alertname="Busy"',
        'alertname=~"Busy|Other", severity="warning"',
        'severity!="critical", alertname="Busy"',
        'alertname="Busy", host="web1"',
        'service="shop"',
    ],
)
def test_a_playbook_that_some_alert_could_trigger_is_left_alone(agent_yaml: Path, matcher: str) -> None:
    (agent_yaml.parent / "book.yml").write_text(BOOK % matcher)
    assert found(agent_yaml, "idle-playbooks") == []


def test_a_playbook_that_no_alert_can_trigger_names_what_keeps_the_nearest_from_it(agent_yaml: Path) -> None:
    for matcher, near in (
        ('alertname="Bussy"', "'Busy', but alertname=\"Bussy\" does not match alertname='Busy'"),
        (
            'alertname="Busy", severity="critical"',
            "'Busy', but severity=\"critical\" does not match severity='warning'",
        ),
    ):
        (agent_yaml.parent / "book.yml").write_text(BOOK % matcher)
        ((sentence, cure),) = found(agent_yaml, "idle-playbooks")
        assert sentence == "no alert here can trigger the playbook 'restart'"
        assert cure == f"the nearest is {near}"


def test_check_warns_and_fails_only_where_that_is_asked_for(
    agent_yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", str(agent_yaml)]) == 0
    told = capsys.readouterr()
    assert told.out == "1 files are right, 2 warnings\n"
    assert "rules.yml:6:5: warning: 'Typo' reads" in told.err
    assert cli.main(["check", "--lint-fatal", str(agent_yaml)]) == 3
    assert cli.main(["check", "--lint-fatal", "--lint=none", str(agent_yaml)]) == 0
    assert cli.main(["check", "--lint-fatal", "--lint=percentages,idle-playbooks", str(agent_yaml)]) == 0
    (agent_yaml.parent / "rules.yml").write_text("groups: 5\n")
    assert cli.main(["check", "--lint-fatal", str(agent_yaml)]) == 1


def test_an_unknown_lint_is_refused(agent_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Misfit, match="there is no lint 'x'"):
        lint.chosen("percentages,x")
    assert cli.main(["check", "--lint=x", str(agent_yaml)]) == 2
    assert "the lints are duplicate-rules, " in capsys.readouterr().err


def test_a_file_of_rule_tests_is_checked_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.yml"
    file.write_text("tests: [{naem: x}]\n")
    assert cli.main(["check", str(file)]) == 1
    assert "unknown key 'naem'; did you mean 'name'?" in capsys.readouterr().err
    file.write_text("tests: []\n")
    assert cli.main(["check", str(file)]) == 0


def test_a_rule_that_looks_beyond_the_retention_is_named(agent_yaml: Path) -> None:
    rules = agent_yaml.parent / "rules.yml"
    rules.write_text(
        "groups: [{name: g, rules: [{alert: Old, expr: 'rate(up[1d]) > 0'}, {alert: New, expr: up == 0}]}]"
    )
    (found,) = lint.lint_installation(load(agent_yaml), [lint.RETENTION])
    assert "'Old' looks back 1d, samples are kept 6h; raise retention:" in str(found)
    agent_yaml.write_text(agent_yaml.read_text() + "retention: 2d\n")
    assert lint.lint_installation(load(agent_yaml), [lint.RETENTION]) == []


def test_what_customers_must_not_read_is_found_where_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("""\
groups:
- name: g
  rules:
  - alert: Bad
    expr: up == 0
    annotations: {notice: 'Soon it works, {{ $value }}.', notice_next_de: 'Wir garantieren es.', x: soon}
  - alert: Good
    expr: up == 0
    annotations: {notice: '{{ $value }} of 100 sign-ins fail.', notice_next: 'We are making room.'}
""")
    assert cli.main(["check", "--lint", "words-for-customers", str(rules)]) == 0
    said = capsys.readouterr()
    text = said.out + said.err
    assert "rules.yml:4:5" in text
    assert "'Bad', notice: the notice holds words that say nothing: 'Soon'" in text
    assert "'Bad', notice_next_de: the notice holds a promise" in text
    assert "Good" not in text
    assert text.count("words-for-customers") == 2
