"""What was asked is kept as long as it matters, and no longer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from model.grant import Grant
from remediations.asking.approval import digest
from remediations.asking.asked import Ended, grant_of, word
from remediations.asking.asking import FORGOTTEN_MS, Asking
from remediations.running.audit import first_break
from remediations.running.journal import Journal, JournalLost
from remediations.surroundings import People
from tests.remediations import stage
from tests.remediations.stage import BARE, NOW_MS

NOBODY = People("web1", lambda: "a" * 32, tuple, lambda _grant: True)


def test_an_ask_that_nobody_ended_while_the_agent_was_away_runs_out(tmp_path: Path) -> None:
    playbook = stage.playbook(mode="approve")
    with closing(Journal(tmp_path / "runs.db")) as journal:
        asking = Asking(journal, BARE, NOBODY)
        ask = asking.ask(playbook, stage.alert(), "because", NOW_MS).ask
        assert ask.plan == digest(playbook, BARE)
        later = Asking(journal, BARE, NOBODY)
        later.recover(NOW_MS)
        later.tidy(ask.until_ms)
        assert [one.ended for one in journal.asks()] == [None]
        later.tidy(ask.until_ms + FORGOTTEN_MS)
        assert [one.ended for one in journal.asks()] == [Ended.EXPIRED]
        assert first_break(journal.audit()) == ""


def test_asks_are_forgotten_with_the_answers_to_them(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "runs.db")) as journal:
        asked = Asking(journal, BARE, NOBODY).ask(stage.playbook(), stage.alert(), "because", NOW_MS)
        journal.answer(asked.ask, asked.ask.answer("ada", NOW_MS, yes=True), NOW_MS)
        journal.forget(NOW_MS)
        assert [len(one.answers) for one in journal.asks()] == [1]
        journal.forget(NOW_MS + 1)
        assert journal.asks() == ()


def test_nobody_is_asked_without_a_journal_and_a_withdrawal_waits_for_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs.db")
    asking = Asking(journal, BARE, NOBODY)
    asked = asking.ask(stage.playbook(), stage.alert(), "because", NOW_MS)
    journal.close()
    (tmp_path / "runs.db").unlink()
    assert asking.withdrawn(None, NOW_MS) is None
    with closing(Journal(tmp_path / "runs.db")) as other:
        later = Asking(other, BARE, NOBODY)
        other._connection.execute("PRAGMA query_only = ON")
        assert later.withdrawn(asked, NOW_MS) == asked
        with pytest.raises(JournalLost):
            later.ask(stage.playbook(), stage.alert(), "because", NOW_MS)


def test_a_word_is_read_as_it_was_written() -> None:
    grant = Grant(
        "a" * 32, "web1", "heal-shop", "b" * 64, "Ada Löve", yes=False, at_ms=1, until_ms=2, seal="c"
    )
    assert grant_of(word(grant)) == grant
    assert grant_of(word(grant).encode()) == grant
    assert grant_of(b"\xff") is None
