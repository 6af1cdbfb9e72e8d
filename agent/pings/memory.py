"""What jobs told by their pings, in one SQLite file: a ping that was answered well is on disk."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.memory import Newer
from probes.job.heard import Heard, Ping

VERSION: Final = 1
PINGS_KEPT: Final = 20

_SCHEMA: Final = (
    "CREATE TABLE heard (job TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT",
    """CREATE TABLE ping (number INTEGER PRIMARY KEY, job TEXT NOT NULL, at_ms INTEGER NOT NULL,
    signal TEXT NOT NULL, exit_status INTEGER, run_id TEXT NOT NULL, body BLOB NOT NULL) STRICT""",
    "CREATE INDEX ping_of_job ON ping (job, number)",
    "CREATE TABLE created (slug TEXT PRIMARY KEY) STRICT",
)
_SETTINGS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "journal_size_limit=4194304",
)
_FIELDS: Final = frozenset(field.name for field in dataclasses.fields(Heard))


class NotOnDisk(Exception):
    """The file cannot be written now, say on a full disk; what it held before it still holds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A ping as it was kept."""

    at_ms: int
    signal: str
    exit_status: int | None
    run_id: str
    body: bytes


class HeartbeatMemory:
    """The file of heartbeats; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        for setting in _SETTINGS:
            self._db.execute(f"PRAGMA {setting}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise Newer(
                f"{path} has format {version}, this version knows {VERSION}; upgrade, or use another --state"
            )
        if version == 0:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={VERSION}")

    def recall(self) -> dict[str, Heard]:
        """Return what was heard of each job."""
        rows = self._db.execute("SELECT job, state FROM heard").fetchall()
        return {job: Heard(**_known(json.loads(state))) for job, state in rows}

    def created(self) -> tuple[str, ...]:
        """Return the slugs of the jobs that pings made."""
        return tuple(slug for (slug,) in self._db.execute("SELECT slug FROM created ORDER BY slug"))

    def pings(self, job: str) -> tuple[Kept, ...]:
        """Return the last pings of a job, newest first."""
        rows = self._db.execute(
            "SELECT at_ms, signal, exit_status, run_id, body FROM ping WHERE job = ? ORDER BY number DESC",
            (job,),
        )
        return tuple(Kept(*row) for row in rows.fetchall())

    def keep(
        self, job: str, heard: Heard, ping: Ping | None = None, body: bytes = b"", slug: str = ""
    ) -> None:
        """Remember this of a job, with its newest ping, and that a ping made it; on return it is on disk.

        Raises ``NotOnDisk``.
        """
        state = json.dumps(dataclasses.asdict(heard))
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("INSERT OR REPLACE INTO heard VALUES (?, ?)", (job, state))
                if slug:
                    self._db.execute("INSERT OR IGNORE INTO created VALUES (?)", (slug,))
                if ping is not None:
                    self._add(job, ping, body)
        except sqlite3.Error as wrong:
            raise NotOnDisk(str(wrong)) from wrong

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _add(self, job: str, ping: Ping, body: bytes) -> None:
        self._db.execute(
            "INSERT INTO ping (job, at_ms, signal, exit_status, run_id, body) VALUES (?, ?, ?, ?, ?, ?)",
            (job, ping.at_ms, ping.signal.value, ping.exit_status, ping.run_id, body),
        )
        self._db.execute(
            "DELETE FROM ping WHERE job = ? AND number <= (SELECT number FROM ping WHERE job = ?"
            " ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (job, job, PINGS_KEPT),
        )


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in _FIELDS}
