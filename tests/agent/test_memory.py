from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from agent.memory import VERSION, Memory, MemoryLost, Newer
from model.alert import Alert, AlertState
from model.labels import Labels

FIRING = Alert(
    Labels.of(alertname="Down", instance="h"), {"summary": "x"}, AlertState.FIRING, float("inf"), 1, 2
)


def recalled(path: Path) -> tuple[int, tuple[Alert, ...]]:
    memory = Memory(path)
    found = memory.recall()
    memory.close()
    return found


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert recalled(tmp_path / "a.db") == (0, ())


def test_what_was_kept_is_recalled_by_the_next_life(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "a.db")
    memory.keep([FIRING], 77)
    memory.keep([FIRING], 78)
    assert recalled(tmp_path / "a.db") == (78, (FIRING,))
    memory.close()


def test_an_alert_that_is_gone_is_forgotten_and_a_change_is_kept(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "a.db")
    other = replace(FIRING, labels=Labels.of(alertname="Other"))
    memory.keep([FIRING, other], 1)
    resolved = replace(FIRING, state=AlertState.RESOLVED, resolved_at_ms=9)
    memory.keep([resolved], 2)
    memory.close()
    assert recalled(tmp_path / "a.db") == (2, (resolved,))


def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Memory(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    with pytest.raises(Newer, match="upgrade, or use another --state"):
        Memory(path)


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    Memory(tmp_path / "a.db").close()
    assert (tmp_path / "a.db").stat().st_mode & 0o077 == 0


def test_a_full_disk_loses_nothing_that_was_kept_and_is_got_over(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "a.db")
    memory.keep([FIRING], 1)
    (pages,) = memory._db.execute("PRAGMA page_count").fetchone()
    memory._db.execute(f"PRAGMA max_page_count={pages}")
    large = replace(FIRING, annotations={"summary": "x" * 100_000})
    with pytest.raises(MemoryLost, match="full"):
        memory.keep([large], 2)
    assert recalled(tmp_path / "a.db") == (1, (FIRING,))
    memory._db.execute("PRAGMA max_page_count=1000000")
    memory.keep([large], 3)
    assert recalled(tmp_path / "a.db") == (3, (large,))
    memory.close()
