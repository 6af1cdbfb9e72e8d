from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from model.labels import Labels
from model.outcome import Outcome
from model.step import Result
from remediations.running.journal import SCHEMA_VERSION, TEXT_CHARACTERS_MAX, Journal, JournalLost
from remediations.running.run import Run, Stage, begun
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

RUN = begun(stage.playbook(), stage.alert(), NOW_MS)


def ended(run: Run, outcome: Outcome, at_ms: int) -> Run:
    return replace(run, stage=Stage.CLOSED, outcome=outcome, ended_ms=at_ms, escalate=True, trouble="t")


def test_a_run_and_its_steps_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    journal = Journal(file)
    journal.save(RUN)
    journal.intend(RUN.id, 1, "run true", NOW_MS)
    journal.note(RUN.id, 1, Result(ok=False, reason="no", output="out", rc=3, duration_ms=7), NOW_MS + 7)
    journal.intend(RUN.id, 2, "run false", NOW_MS + 8)
    journal.close()

    journal = Journal(file)
    assert journal.unfinished() == (RUN,)
    first, second = journal.steps(RUN.id)
    assert first.result == Result(ok=False, reason="no", output="out", rc=3, duration_ms=7)
    assert (second.step, second.result, second.ended_ms) == ("run false", None, None)
    done = ended(RUN, Outcome.FAILED, NOW_MS + 9)
    journal.save(done)
    assert journal.unfinished() == ()
    assert journal.recent(0) == (done,)
    assert journal.recent(NOW_MS + 1) == ()
    journal.close()


def test_the_attempts_of_a_playbook_are_its_history(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    for number in range(3):
        labels = Labels.of(alertname="ShopDown", instance=f"web{number}")
        run = begun(stage.playbook(), stage.alert(labels), NOW_MS + number)
        journal.save(run if number == 2 else ended(run, Outcome.FIXED, NOW_MS + 10 + number))
    attempts = journal.attempts("heal-shop", (), NOW_MS + 1)
    assert [(one.started_ms, one.ended_ms, one.outcome) for one in attempts] == [
        (NOW_MS + 1, NOW_MS + 11, Outcome.FIXED),
        (NOW_MS + 2, None, None),
    ]
    assert attempts[0].target == ("command:true",)
    assert journal.attempts("other", (), 0) == ()
    assert journal.attempts("other", ("service:x", "command:tru"), 0) == ()
    assert len(journal.attempts("other", ("service:x", "command:true"), 0)) == 3
    journal.close()


def test_old_runs_are_forgotten_with_their_steps_but_never_an_unfinished_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    journal.save(RUN)
    journal.intend(RUN.id, 1, "run true", NOW_MS)
    assert journal.forget(NOW_MS + 1) == 0
    journal.save(ended(RUN, Outcome.FIXED, NOW_MS))
    assert journal.forget(NOW_MS + 1) == 1
    assert journal.recent(0) == ()
    assert journal.steps(RUN.id) == ()
    journal.close()


def test_a_step_is_meant_only_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    journal.save(RUN)
    journal.intend(RUN.id, 1, "run true", NOW_MS)
    with pytest.raises(sqlite3.IntegrityError):
        journal.intend(RUN.id, 1, "run true", NOW_MS)
    journal.close()


def test_a_text_is_capped(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    journal.save(RUN)
    journal.intend(RUN.id, 1, "run true", NOW_MS)
    journal.note(RUN.id, 1, Result(ok=True, output="x" * (TEXT_CHARACTERS_MAX + 5)), NOW_MS)
    [step] = journal.steps(RUN.id)
    assert step.result is not None
    assert len(step.result.output) == TEXT_CHARACTERS_MAX
    journal.close()


def test_a_journal_of_a_newer_release_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    Journal(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(JournalLost, match="written by a newer release"):
        Journal(file)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_journal_is_a_fact_not_a_crash(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "runs.db"
    file.write_bytes(content)
    with pytest.raises(JournalLost):
        Journal(file)


def test_a_folder_that_is_missing_is_a_fact_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(JournalLost, match="cannot be opened"):
        Journal(tmp_path / "gone" / "runs.db")


def test_what_is_written_is_on_disk_in_full(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    pragmas = [
        journal._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]
    assert pragmas == ["wal", 2]
    journal.close()
