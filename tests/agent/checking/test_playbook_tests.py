"""``beforehand test`` runs playbook tests beside rule tests; those that ship pass, and a failure is told."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import remediations.playbooks
from agent import cli
from agent.checking import playbook_tests
from agent.checking.rule_tests import Wish
from model.regex import compiled
from tests.test_docs import blocks
from tests.test_tidy import read

SHIPPED = sorted(Path(remediations.playbooks.__path__[0]).glob("*.yml"))
TESTS = [path for path in SHIPPED if path.name.endswith(".test.yml")]

PLAYBOOK = """\
playbook: heal-shop
summary: Bring the shop back.
on: ['alertname="ShopDown"']
steps: [{command: {argv: [restart-shop]}}]
verify: {within: 5s, hold: 1s}
"""
SUITE = """\
playbooks: [heal-*.yml]
playbook_tests:
- name: good one
  playbook: heal-shop
  alert: &down {labels: {alertname: ShopDown}}
  expect: {refused: only proposes}
- name: bad one
  playbook: heal-shop
  alert: *down
  mode: auto
  commands: [{run: restart-shop}]
  effect: [{at: 0s, gone: true}]
  expect: {steps: [run stop-shop, run restart-shop], outcome: ineffective}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "heal-shop.yml").write_text(PLAYBOOK)
    file = tmp_path / "heal-shop.test.yml"
    file.write_text(SUITE)
    return file


def test_each_shipped_playbook_has_its_tests_beside_it() -> None:
    books = {path.name.removesuffix(".yml") for path in SHIPPED if path not in TESTS}
    assert {path.name.removesuffix(".test.yml") for path in TESTS} == books


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_tests_of_a_shipped_playbook_pass(path: Path) -> None:
    report = playbook_tests.run(path, Wish())
    assert report.ok, "\n".join(report.lines())
    assert len(report.outcomes) >= 3


def test_what_fails_is_told_and_the_exit_code_is_1(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", str(suite)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"Unit Testing:  {suite}",
        "  FAILED:",
        "    bad one",
        f"      {suite}:13:11: steps differ",
        "      - run stop-shop",
        "        run restart-shop",
        "    bad one",
        f"      {suite}:13:11: outcome differs",
        "      - ineffective",
        "      + fixed: heal-shop helped: the trouble was gone 60.0s after it began and stayed away for 1s",
        "",
    ]


def test_only_the_tests_that_are_asked_for_are_run(suite: Path) -> None:
    report = playbook_tests.run(suite, Wish((compiled("^good"),)))
    assert report.ok
    assert [one.name for one in report.outcomes] == ["good one"]


def test_rule_tests_and_playbook_tests_are_run_side_by_side(suite: Path, tmp_path: Path) -> None:
    rules, written = tmp_path / "rules.test.yml", tmp_path / "junit.xml"
    rules.write_text("tests: [{name: playbook_tests}]\n")
    assert cli.main(["test", "--junit", str(written), str(rules), str(suite)]) == 1
    first, second = ElementTree.fromstring(written.read_bytes())
    assert (first.get("tests"), first.get("failures")) == ("1", "0")
    assert (second.get("tests"), second.get("failures")) == ("2", "1")
    assert "- run stop-shop" in (second[1][0].text or "")


def test_every_step_is_shown_on_demand(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", "--debug", str(suite)]) == 1
    told = capsys.readouterr().out
    assert "DEBUG: good one: refused by mode: heal-shop only proposes" in told
    assert "DEBUG: bad one: run restart-shop" in told
    assert "DEBUG: bad one: fixed: heal-shop helped" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("heal-*.yml", "none-*.yml", "'none-*.yml' names no file"),
        ("heal-*.yml", "restart-nginx", ":3:3: no playbook here is called 'heal-shop'"),
        ("mode: auto", "mood: auto", ":10:3: unknown key 'mood'; did you mean 'mode'?"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_its_place(suite: Path, old: str, new: str, told: str) -> None:
    suite.write_text(SUITE.replace(old, new))
    report = playbook_tests.run(suite, Wish())
    assert not report.ok
    assert told in report.unread


def test_a_playbook_with_a_mistake_is_told_with_its_place(suite: Path) -> None:
    book = suite.parent / "heal-shop.yml"
    book.write_text(PLAYBOOK.replace("summary", "sumary"))
    assert f"{book}:2:1: unknown key 'sumary'" in playbook_tests.run(suite, Wish()).unread


def test_a_file_of_playbook_tests_is_checked_as_one(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(suite)]) == 0
    suite.write_text(SUITE.replace("mode: auto", "mood: auto"))
    assert cli.main(["check", str(suite)]) == 1
    assert "did you mean 'mode'" in capsys.readouterr().err


def test_the_tests_of_the_docs_pass_with_the_playbook_of_the_docs(tmp_path: Path) -> None:
    (_, book), (_, tests) = blocks(read("docs/reference/playbook-tests.md"))
    (tmp_path / "restart-shop.yml").write_text(book)
    (tmp_path / "t.yml").write_text(tests)
    report = playbook_tests.run(tmp_path / "t.yml", Wish())
    assert report.ok, "\n".join(report.lines())
    assert len(report.outcomes) == 4
