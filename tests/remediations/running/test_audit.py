"""What was done cannot be made undone on paper: every change of the book is noticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from model.step import Result
from remediations.running.audit import About, Entry, first_break
from remediations.running.journal import Journal
from remediations.running.run import begun
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

RUN = begun(stage.playbook(), stage.alert(), NOW_MS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "runs.db"
    with closing(Journal(file)) as journal:
        journal.save(RUN)
        for number in range(1, 4):
            journal.intend(RUN.id, number, f"step {number}", NOW_MS + number)
            journal.note(RUN.id, number, Result(ok=True, output=f"said {number}"), NOW_MS + number)
        journal.attest(About("approval", RUN.id, {"by": "ada"}), NOW_MS + 9)
    return file


def chain(file: Path) -> tuple[Entry, ...]:
    with closing(Journal(file)) as journal:
        return journal.audit()


def tampered(file: Path, statement: str) -> str:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()
    return first_break(chain(file))


def test_every_intent_and_result_stands_in_the_chain_and_it_is_whole(file: Path) -> None:
    entries = chain(file)
    assert [entry.what for entry in entries] == ["run", *["intent", "result"] * 3, "approval"]
    assert first_break(entries) == ""


def test_the_chain_goes_on_after_a_restart(file: Path) -> None:
    with closing(Journal(file)) as journal:
        journal.attest(About("approval", RUN.id, {"by": "bob"}), NOW_MS + 10)
    entries = chain(file)
    assert len(entries) == 9
    assert first_break(entries) == ""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET fact = replace(fact, 'ada', 'eve') WHERE number = 8", "entry 8 was changed"),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 3", "entry 3 was changed"),
        ("UPDATE audit SET run = 'other' WHERE number = 1", "entry 1 was changed"),
        ("DELETE FROM audit WHERE number = 4", "entries 4 to 4 are missing"),
        ("UPDATE audit SET after = seal WHERE number = 5", "entry 5 was changed"),
    ],
)
def test_whoever_changes_the_book_is_noticed(file: Path, statement: str, said: str) -> None:
    assert tampered(file, statement).startswith(said)


def test_an_entry_that_was_written_anew_with_a_seal_of_its_own_does_not_fit(file: Path) -> None:
    forged = Entry.sealed(4, NOW_MS, About("intent", RUN.id, {"number": 2, "step": "nothing"}), "0" * 64)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "UPDATE audit SET fact = ?, after = ?, seal = ?, at_ms = ? WHERE number = 4",
            (forged.fact, forged.after, forged.seal, NOW_MS),
        )
        connection.commit()
    assert first_break(chain(file)) == "entry 4 does not follow entry 3"


def test_what_is_forgotten_leaves_at_the_old_end_and_the_rest_is_whole(file: Path) -> None:
    with closing(Journal(file)) as journal:
        journal.forget(NOW_MS + 2)
        entries = journal.audit()
    assert entries[0].number == 4
    assert first_break(entries) == ""


def test_a_journal_of_the_release_before_begins_its_chain_now(file: Path) -> None:
    with closing(sqlite3.connect(file)) as old:
        tables = {name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in tables - {"runs", "steps"}:
            old.execute(f"DROP TABLE {table}")
        old.executescript(
            "ALTER TABLE runs DROP COLUMN notes; ALTER TABLE steps DROP COLUMN trace; PRAGMA user_version = 1"
        )
    with closing(Journal(file)) as journal:
        journal.attest(About("approval", "r", {}), NOW_MS)
        assert [entry.number for entry in journal.audit()] == [1]
