"""``beforehand audit`` prints the book and fails where it was touched."""

from __future__ import annotations

import argparse
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.command.audit import add_options, command
from model.step import Result
from remediations.running.journal import Journal
from remediations.running.run import begun
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

RUN = begun(stage.playbook(), stage.alert(), NOW_MS)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with closing(Journal(tmp_path / "runs.db")) as journal:
        journal.save(RUN)
        journal.intend(RUN.id, 1, "run true", NOW_MS)
        journal.note(RUN.id, 1, Result(ok=True, output="fine\x1b[31m"), NOW_MS + 5)
    return tmp_path


def said(state: Path, *words: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    add_options(parser, state)
    out, err = io.StringIO(), io.StringIO()
    return command(parser.parse_args(words), out, err), out.getvalue(), err.getvalue()


def test_a_whole_book_is_printed_with_its_last_seal(state: Path) -> None:
    code, out, err = said(state)
    assert code == 0
    assert "intent" in out.splitlines()[1]
    assert err.startswith("whole: 3 entries, the last seal is ")


def test_each_entry_can_be_had_as_json(state: Path) -> None:
    _, out, _ = said(state, "--json", "--run", RUN.id)
    assert [json.loads(line)["what"] for line in out.splitlines()] == ["run", "intent", "result"]
    assert said(state, "--run", "other")[1] == ""


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET fact = '{}' WHERE number = 2", "broken: entry 2 was changed"),
        ("UPDATE steps SET output = 'bad'", "said was changed afterwards"),
    ],
)
def test_a_book_that_was_touched_is_said_to_be_broken(state: Path, statement: str, words: str) -> None:
    with closing(sqlite3.connect(state / "runs.db")) as connection:
        connection.execute(statement)
        connection.commit()
    code, _, err = said(state)
    assert code == 1
    assert words in err


def test_a_directory_without_a_book_is_a_mistake_in_words(tmp_path: Path) -> None:
    code, _, err = said(tmp_path)
    assert code == 1
    assert "cannot be read" in err
