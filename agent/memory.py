"""What the agent must remember over a restart: its alerts, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from model.alert import Alert, AlertState
from model.labels import Labels

VERSION: Final = 1

_SCHEMA: Final = (
    "CREATE TABLE alert (fingerprint TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT",
    "CREATE TABLE judged (one INTEGER PRIMARY KEY CHECK (one = 1), at_ms INTEGER NOT NULL) STRICT",
)
_SETTINGS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "journal_size_limit=4194304",
)


class Newer(Exception):
    """The file was written by a newer version; nothing of it was touched."""


class MemoryLost(Exception):
    """The file cannot be written now, say on a full disk; what it held before it still holds."""


class Memory:
    """The last known state of every alert; used by the loop's thread only."""

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
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={VERSION}")
        self._kept: dict[str, str] = dict(self._db.execute("SELECT fingerprint, state FROM alert").fetchall())

    def keep(self, alerts: Iterable[Alert], judged_ms: int) -> None:
        """Make these the alerts that are remembered, as judged at this time; on return they are on disk.

        Raises ``MemoryLost``.
        """
        rows = {alert.labels.fingerprint(): _text(alert) for alert in alerts}
        changed = [(key, state) for key, state in rows.items() if self._kept.get(key) != state]
        gone = [(key,) for key in self._kept if key not in rows]
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO alert VALUES (?, ?)", changed)
                self._db.executemany("DELETE FROM alert WHERE fingerprint = ?", gone)
                self._db.execute("INSERT OR REPLACE INTO judged VALUES (1, ?)", (judged_ms,))
        except sqlite3.Error as wrong:
            raise MemoryLost(str(wrong)) from wrong
        self._kept = rows

    def recall(self) -> tuple[int, tuple[Alert, ...]]:
        """Return when the alerts were last judged, 0 for never, and the alerts."""
        return recalled(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def recalled(db: sqlite3.Connection) -> tuple[int, tuple[Alert, ...]]:
    """Return what a file of alerts holds, one that is only read as well; as ``Memory.recall`` does."""
    judged = db.execute("SELECT at_ms FROM judged").fetchone()
    rows = db.execute("SELECT state FROM alert").fetchall()
    return judged[0] if judged else 0, tuple(_alert(json.loads(row[0])) for row in rows)


def _text(alert: Alert) -> str:
    fields = {
        "labels": dict(alert.labels.pairs),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "value": repr(alert.value),
        "active_at_ms": alert.active_at_ms,
        "fired_at_ms": alert.fired_at_ms,
        "resolved_at_ms": alert.resolved_at_ms,
        "keep_firing_since_ms": alert.keep_firing_since_ms,
        "unknown_since_ms": alert.unknown_since_ms,
    }
    return json.dumps(fields, sort_keys=True)


def _alert(fields: dict[str, Any]) -> Alert:
    fields["labels"] = Labels.of(fields["labels"])
    fields["state"] = AlertState(fields["state"])
    fields["value"] = float(fields["value"])
    return Alert(**fields)
