"""A preview shows every step with what it would meet on this host, and changes nothing."""

from __future__ import annotations

import argparse
import io
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.command.preview import command
from agent.memory import Memory
from agent.state import DEFAULTS
from model.outcome import Outcome
from remediations.guard import GUARDS
from remediations.hold import Holds
from remediations.ladder.ladder import Demotion
from remediations.running.journal import Journal
from remediations.running.run import begun, closed
from remediations.writing.playbook import Otherwise, load_playbook
from tests.remediations import stage

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


AUTO = "- command: {argv: ['true']}\n"


def noted(bench: Bench, *outcomes: Outcome | None, minutes: int = 20) -> Path:
    """Let the journal tell of runs of the playbook so far apart, the last one just over, None under way."""
    file = bench.folder / "runs.db"
    book = load_playbook((BOOK + AUTO).encode(), "f")
    with closing(Journal(file)) as journal:
        for number, outcome in enumerate(reversed(outcomes)):
            at_ms = Clock().now_ms() - number * minutes * 60_000 - 1000
            run = begun(book, stage.alert(), at_ms)
            if outcome is not None:
                run = closed(run, Otherwise.NOTHING, outcome, "x", at_ms)
            journal.save(run)
    return file


def guard_of(shown: Shown, name: str) -> str:
    return next(line.split(": ", 1)[1] for line in shown.out.splitlines() if line.startswith(f"  {name}: "))


def test_every_guard_answers_and_on_the_journal_as_it_is(bench: Bench) -> None:
    free = bench.preview(AUTO)
    shown = [line.split(":")[0].strip() for line in free.out.splitlines() if line.startswith("  ")]
    assert shown[: len(GUARDS)] == ["mode", *(name for name in GUARDS if name != "mode")]
    for name in ("cooldown", "budget", "breaker", "spent", "symptom_loop", "oscillation", "alone"):
        assert guard_of(free, name) == "nothing speaks against it"
    assert not (bench.folder / "runs.db").exists()
    file = noted(bench, *[Outcome.INEFFECTIVE] * 3)
    before = file.read_bytes()
    shown_now = bench.preview(AUTO)
    assert "calm-shop is cooling down until" in guard_of(shown_now, "cooldown")
    assert "calm-shop ran 3 times; it may 3 per 1h" in guard_of(shown_now, "budget")
    assert "because it did not help" in guard_of(shown_now, "breaker")
    assert (shown_now.code, file.read_bytes()) == (EX_OK, before)


def test_a_run_that_is_under_way_holds_its_place(bench: Bench) -> None:
    noted(bench, None)
    assert guard_of(bench.preview(AUTO), "alone") == "calm-shop works on command:true already"


def test_a_hold_and_a_demotion_are_heard(bench: Bench) -> None:
    file = noted(bench, Outcome.HARMFUL)
    Holds(bench.folder / "holds").set("calm-shop", "ada", "wait for me", Clock().now_ms() + 60_000)
    with closing(Journal(file)) as journal:
        journal.demote(Demotion("calm-shop", "r1", 1, "it did harm"))
    shown = bench.preview(AUTO + "mode: auto\n")
    assert guard_of(shown, "mode") == (
        "propose, because it did harm; `beforehand reinstate calm-shop` lets it act again"
    )
    assert "wait for me" in guard_of(shown, "hold")


def test_an_alert_that_fires_is_what_the_guards_are_asked_about(bench: Bench) -> None:
    quiet = guard_of(bench.preview(AUTO), "firing")
    assert quiet.startswith("nothing does that it answers to")
    with closing(Memory(bench.folder / "alerts.db")) as memory:
        memory.keep([stage.alert(unknown_ms=1)], 1)
    shown = bench.preview(AUTO)
    assert guard_of(shown, "firing") == "nothing speaks against it"
    assert "cannot be seen" in guard_of(shown, "seen")


def test_a_journal_that_cannot_be_read_is_told(bench: Bench) -> None:
    (bench.folder / "runs.db").write_text("no journal at all, whatever it is called" * 100)
    shown = bench.preview(AUTO)
    assert shown.code == EX_FAILED
    assert "runs.db cannot be opened: file is not a database" in shown.err


def test_a_journal_of_an_older_release_is_left_as_it_is(bench: Bench) -> None:
    with closing(sqlite3.connect(bench.folder / "runs.db")) as old:
        old.execute("PRAGMA user_version = 1")
        old.commit()
    assert "was written by an older release (schema 1); start the agent" in bench.preview(AUTO).err


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
