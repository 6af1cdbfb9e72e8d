"""A preview shows every step with what it would meet on this host, and changes nothing."""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.preview_command import command
from agent.state import DEFAULTS

BOOK = """
playbook: calm-shop
summary: Calm the shop.
on: ['alertname="ShopDown"']
verify: {within: 5s, hold: 1s}
steps:
"""


@dataclass
class Shown:
    code: int
    out: str
    err: str


@dataclass
class Bench:
    folder: Path

    def preview(self, steps: str, name: str = "") -> Shown:
        book = self.folder / "calm-shop.yml"
        book.write_text(BOOK + steps)
        words = argparse.Namespace(playbook=name or str(book), config=DEFAULTS, state=self.folder)
        out, err = io.StringIO(), io.StringIO()
        code = command(words, out, err, Clock())
        return Shown(code, out.getvalue(), err.getvalue())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_every_step_is_shown_with_its_risk_its_condition_and_its_undo(bench: Bench) -> None:
    steps = """
- name: hush it
  process_signal: {match: {exe: /nonexistent/shop}}
  when: alert.value > 3
- drain: {command: {drain: [lb, out], ready: [lb, in]}}
- escalate: {reason: look at it}
"""
    shown = bench.preview(steps)
    assert shown.code == EX_OK, shown.err
    assert shown.out.splitlines()[0] == "calm-shop: Calm the shop."
    assert "- hush it (irreversible) when alert.value > 3\n" in shown.out
    assert "    send TERM to the process /nonexistent/shop\n" in shown.out
    assert "      no process is as described; nothing was signalled\n    undo: none\n" in shown.out
    assert "- drain (reversible)\n    run lb out\n    undo: run lb in\n" in shown.out
    assert "- escalate (read-only)\n    says or asks something; no step is taken\n" in shown.out


def test_nothing_is_done(bench: Bench) -> None:
    mark = bench.folder / "mark"
    shown = bench.preview(f"- command: {{argv: [touch, {mark}]}}")
    assert f"run touch {mark}" in shown.out
    assert not mark.exists()


def test_what_would_be_refused_is_a_failure_of_the_preview(bench: Bench) -> None:
    shown = bench.preview(f"- container: {{name: web, state: restarted, socket: {bench.folder}/none}}")
    assert shown.code == EX_FAILED
    assert f"      would be refused: {bench.folder}/none cannot be reached" in shown.out
    assert shown.err == "1 steps could not be taken now\n"


def test_guards_answer_for_now(bench: Bench) -> None:
    free = bench.preview("- command: {argv: ['true']}").out
    assert "  mode: propose, so it acts only once somebody agrees\n" in free
    assert "  kill_switch: nothing is stopped\n" in free
    (bench.folder / "STOP").write_text("x")
    assert "  kill_switch: nothing is stopped\n" not in bench.preview("- command: {argv: ['true']}").out


def test_what_is_not_to_be_logged_is_not_shown(bench: Bench) -> None:
    shown = bench.preview("- command: {argv: [login, hunter22]}\n  no_log: true")
    assert "(no_log)" in shown.out
    assert "hunter22" not in shown.out


def test_a_playbook_that_ships_is_found_by_its_name(bench: Bench) -> None:
    shown = bench.preview("- command: {argv: ['true']}", "gather-evidence")
    assert shown.out.startswith("gather-evidence: ")


def test_a_playbook_that_there_is_not_is_told(bench: Bench) -> None:
    shown = bench.preview("- command: {argv: ['true']}", "no-such")
    assert shown.code == EX_USAGE
    assert shown.err.startswith("no playbook is called 'no-such'; name one of ")


def test_mistakes_of_the_file_are_told(bench: Bench) -> None:
    shown = bench.preview("- sing: {}")
    assert shown.code == EX_FAILED
    assert "unknown action 'sing'" in shown.err


def test_what_cannot_be_planned_here_is_told(bench: Bench) -> None:
    shown = bench.preview("- ansible: {folder: /srv/ansible, playbook: site.yml}")
    assert shown.code == EX_FAILED
    assert "it cannot be planned: site.yml cannot be run: ansible-runner is not installed here" in shown.err
