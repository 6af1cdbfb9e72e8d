"""The book of runs: what was meant to be done is on disk before it is done, and what came of it after."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.grant import Grant
from model.labels import Labels
from model.outcome import Outcome
from model.step import Result
from remediations.asking import asked
from remediations.asking.approval import Ask
from remediations.asking.asked import Asked, Ended
from remediations.attempt import Attempt
from remediations.ladder import shown
from remediations.ladder.ladder import Demotion
from remediations.ladder.proposal import Proposal
from remediations.running.audit import FIRST, About, Entry, digest
from remediations.running.run import Run, Stage
from remediations.running.trace import NOTHING
from remediations.writing.playbook import Mode

SCHEMA_VERSION: Final = 3
TEXT_CHARACTERS_MAX: Final = 1 << 20
ATTEMPTS_MAX: Final = 10_000
RUNS_SHOWN_MAX: Final = 1_000
AUDIT_PAGE_MAX: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, playbook TEXT NOT NULL, target TEXT NOT NULL, labels TEXT NOT NULL,
  fired_ms INTEGER NOT NULL, onset_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, stage TEXT NOT NULL,
  acted_ms INTEGER NOT NULL, done_ms INTEGER NOT NULL, healed_ms INTEGER NOT NULL,
  verified_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, outcome TEXT, reason TEXT NOT NULL,
  trouble TEXT NOT NULL, escalate INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_time ON runs (started_ms);
CREATE INDEX runs_by_stage ON runs (stage);
CREATE TABLE steps (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, number INTEGER NOT NULL, step TEXT NOT NULL,
  began_ms INTEGER NOT NULL, ended_ms INTEGER, ok INTEGER, rc INTEGER, signal INTEGER,
  duration_ms INTEGER, reason TEXT, output TEXT,
  PRIMARY KEY (run, number)
) STRICT;
"""
_AUDIT: Final = """
CREATE TABLE audit (
  number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, what TEXT NOT NULL, run TEXT NOT NULL,
  fact TEXT NOT NULL, after TEXT NOT NULL, seal TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at_ms);
"""
_UNDO: Final = """
ALTER TABLE runs ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE steps ADD COLUMN trace TEXT NOT NULL DEFAULT '?';
"""
_UPGRADES: Final = (_SCHEMA, _AUDIT, _UNDO + asked.TABLES + shown.TABLES)
"""What brings a file from each version to the next."""
_SAVE: Final = (
    "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET"
    " stage = excluded.stage, acted_ms = excluded.acted_ms, done_ms = excluded.done_ms,"
    " healed_ms = excluded.healed_ms, verified_ms = excluded.verified_ms, ended_ms = excluded.ended_ms,"
    " outcome = excluded.outcome, reason = excluded.reason, trouble = excluded.trouble,"
    " escalate = excluded.escalate, notes = excluded.notes"
)


class JournalLost(Exception):
    """The journal cannot be read or written; nothing may act without it."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as it stands in the journal; ``result`` is None while it is not known what came of it.

    ``trace`` tells how it is taken back.
    """

    number: int
    step: str
    began_ms: int
    ended_ms: int | None
    result: Result | None
    trace: str = NOTHING


class Journal:
    """The journal's file, used from any thread; each write is on disk when its call returns.

    With ``reading`` it must be there, and nothing of it is written.
    """

    def __init__(self, file: Path, *, reading: bool = False) -> None:
        self._lock = threading.Lock()
        name = f"{file.absolute().as_uri()}?mode=ro" if reading else str(file)
        with _told(f"the journal {file} cannot be opened"):
            self._connection = sqlite3.connect(
                name, uri=reading, isolation_level=None, check_same_thread=False, timeout=5
            )
        try:
            with _told(f"the journal {file} cannot be opened"):
                self._prepare(file, reading=reading)
        except JournalLost:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def save(self, run: Run) -> None:
        """Write how a run stands."""
        labels = json.dumps(dict(run.labels))
        fact = {
            "playbook": run.playbook,
            "target": list(run.target),
            "labels": dict(run.labels),
            "stage": run.stage.value,
            "outcome": run.outcome.value if run.outcome else None,
            "reason": run.reason,
        }
        at_ms = max(run.started_ms, run.done_ms, run.healed_ms, run.ended_ms)
        self._act(
            at_ms,
            About("run", run.id, fact),
            _SAVE,
            (run.id, run.playbook, json.dumps(run.target), labels, run.fired_ms, run.onset_ms, run.started_ms,
             run.stage, run.acted_ms, run.done_ms, run.healed_ms, run.verified_ms, run.ended_ms, run.outcome,
             _capped(run.reason), _capped(run.trouble), run.escalate, json.dumps(run.notes)),
        )  # fmt: skip

    def intend(self, run: str, number: int, step: str, now_ms: int, trace: str = NOTHING) -> None:
        """Write that a step is about to be taken, and how it is taken back."""
        about = About("intent", run, {"number": number, "step": _capped(step), "trace": trace})
        row = (run, number, _capped(step), now_ms, trace)
        statement = "INSERT INTO steps (run, number, step, began_ms, trace) VALUES (?, ?, ?, ?, ?)"
        self._act(now_ms, about, statement, row)

    def note(self, run: str, number: int, result: Result, now_ms: int) -> None:
        """Write what came of a step."""
        about = About("result", run, {"number": number, **_told_of(result)})
        self._act(
            now_ms,
            about,
            "UPDATE steps SET ended_ms = ?, ok = ?, rc = ?, signal = ?, duration_ms = ?, reason = ?,"
            " output = ? WHERE run = ? AND number = ?",
            (now_ms, result.ok, result.rc, result.signal, result.duration_ms, _capped(result.reason),
             _capped(result.output), run, number),
        )  # fmt: skip

    def unfinished(self) -> tuple[Run, ...]:
        """Return the runs that have no end, oldest first."""
        query = "SELECT * FROM runs WHERE stage != ? ORDER BY started_ms LIMIT ?"
        return tuple(map(_run, self._read(query, (Stage.CLOSED, RUNS_SHOWN_MAX))))

    def recent(self, since_ms: int) -> tuple[Run, ...]:
        """Return the runs that were started since then, oldest first, at most the 1 000 newest."""
        query = "SELECT * FROM runs WHERE started_ms >= ? ORDER BY started_ms DESC LIMIT ?"
        return tuple(map(_run, reversed(self._read(query, (since_ms, RUNS_SHOWN_MAX)))))

    def attempts(self, playbook: str, things: Iterable[str], since_ms: int) -> tuple[Attempt, ...]:
        """Return a playbook's attempts, and any other's at these things, since then, oldest first."""
        rows = self._read(
            "SELECT playbook, target, started_ms, ended_ms, outcome FROM runs WHERE started_ms >= ?"
            " AND (playbook = ? OR EXISTS (SELECT 1 FROM json_each(target) AS one, json_each(?) AS wanted"
            " WHERE one.value = wanted.value)) ORDER BY started_ms DESC LIMIT ?",
            (since_ms, playbook, json.dumps(list(things)), ATTEMPTS_MAX),
        )
        return tuple(
            Attempt(name, tuple(json.loads(target)), started, ended or None, Outcome(end) if end else None)
            for name, target, started, ended, end in reversed(rows)
        )

    def steps(self, run: str) -> tuple[StepRecord, ...]:
        """Return the steps of a run in their order."""
        rows = self._read(
            "SELECT number, step, began_ms, ended_ms, ok, rc, signal, duration_ms, reason, output, trace"
            " FROM steps WHERE run = ? ORDER BY number",
            (run,),
        )
        return tuple(_step(row) for row in rows)

    def ask(self, ask: Ask, now_ms: int) -> None:
        """Write that people are asked."""
        row = (ask.id, ask.asked_ms, asked.said(ask))
        about = About(
            "approval", ask.run, {"what": "asked", **asked.fact(ask), "because": _capped(ask.because)}
        )
        self._act(now_ms, about, "INSERT INTO asks VALUES (?, ?, ?, NULL, '')", row)

    def answer(self, ask: Ask, grant: Grant, now_ms: int) -> None:
        """Write what a person answered."""
        what = "granted" if grant.yes else "denied"
        told = {"what": what, **asked.fact(ask), "by": grant.by, "at_ms": grant.at_ms}
        about = About("approval", ask.run, told)
        row = (ask.id, grant.by, asked.word(grant))
        self._act(now_ms, about, "INSERT OR IGNORE INTO grants VALUES (?, ?, ?)", row)

    def end_ask(self, ask: Ask, ended: Ended, word: str, now_ms: int, run: str = "") -> None:
        """Write how an ask ended; ``run`` is the one that it let begin, or that asked in its middle."""
        about = About("approval", run, {"what": ended.value, **asked.fact(ask), "word": _capped(word)})
        row = (ended.value, _capped(word), ask.id)
        self._act(now_ms, about, "UPDATE asks SET ended = ?, word = ? WHERE id = ?", row)

    def asks(self) -> tuple[Asked, ...]:
        """Return what people were asked, oldest first, at most the 1 000 newest."""
        query = "SELECT said, ended, word FROM asks ORDER BY asked_ms DESC LIMIT ?"
        return tuple(map(self._asked, reversed(self._read(query, (asked.ASKS_MAX,)))))

    def _asked(self, row: tuple[Any, ...]) -> Asked:
        said, ended, word = row
        ask = asked.ask_of(said)
        answers = self._read("SELECT said FROM grants WHERE ask = ? LIMIT ?", (ask.id, asked.ANSWERS_MAX))
        grants = (asked.grant_of(one) for (one,) in answers)
        known = tuple(one for one in grants if one is not None)
        return Asked(ask, Ended(ended) if ended else None, word, known)

    def granted(self, run: str) -> tuple[Grant, ...]:
        """Return what people answered to all that this run asked and was granted."""
        query = (
            "SELECT grants.said FROM grants JOIN asks ON asks.id = grants.ask"
            " WHERE asks.ended = ? AND asks.word = ? ORDER BY asks.asked_ms LIMIT ?"
        )
        rows = self._read(query, (Ended.USED, run, asked.ANSWERS_MAX))
        found = (asked.grant_of(one) for (one,) in rows)
        return tuple(one for one in found if one is not None)

    def propose(self, proposals: Iterable[Proposal]) -> None:
        """Write how these proposals stand, all at once."""
        with self._transaction():
            self._connection.executemany(shown.PROPOSE, map(shown.row, proposals))

    def proposal(self, name: str) -> Proposal | None:
        """Return the proposal of this id, or None."""
        rows = self._read("SELECT * FROM proposals WHERE id = ?", (name,))
        return shown.proposal(rows[0]) if rows else None

    def proposals(self, playbook: str, since_ms: int) -> tuple[Proposal, ...]:
        """Return a playbook's proposals since then, oldest first, at most the 200 newest."""
        query = "SELECT * FROM proposals WHERE playbook = ? AND met_ms >= ? ORDER BY met_ms DESC LIMIT ?"
        rows = self._read(query, (playbook, since_ms, shown.PROPOSALS_MAX))
        return tuple(map(shown.proposal, reversed(rows)))

    def would(self, playbook: str, since_ms: int) -> dict[str, int]:
        """Return when a playbook would have begun since then, by the proposal, for the 200 newest."""
        query = "SELECT id, would_ms FROM proposals WHERE playbook = ? AND met_ms >= ? AND would_ms > 0"
        rows = self._read(f"{query} ORDER BY met_ms DESC LIMIT ?", (playbook, since_ms, shown.PROPOSALS_MAX))
        return dict(rows)

    def stand(self, playbook: str, edition: str, mode: Mode, now_ms: int) -> None:
        """Write on which rung an edition of a playbook stands; from now on, unless it stood there already."""
        self._write(shown.STAND, (playbook, edition, mode, now_ms))

    def stands_since(self, playbook: str, edition: str, mode: Mode) -> int | None:
        """Return since when an edition of a playbook has stood on a rung, None where it does not."""
        query = "SELECT since_ms FROM rungs WHERE playbook = ? AND edition = ? AND mode = ?"
        rows = self._read(query, (playbook, edition, mode))
        return int(rows[0][0]) if rows else None

    def demote(self, demotion: Demotion) -> None:
        """Write that a playbook only proposes from now on; the first demotion stands until it is lifted."""
        row = (demotion.playbook, demotion.run, demotion.at_ms, _capped(demotion.reason))
        self._act(demotion.at_ms, About("demotion", demotion.run, shown.fact(demotion)), shown.DEMOTE, row)

    def demotions(self) -> dict[str, Demotion]:
        """Return the demotions that hold, by playbook."""
        rows = self._read("SELECT playbook, run, at_ms, reason FROM demotions ORDER BY playbook", ())
        return {row[0]: Demotion(*row) for row in rows}

    def reinstate(self, demotion: Demotion, who: str, why: str, now_ms: int) -> None:
        """Lift a demotion, and write who did so and why."""
        fact = {**shown.fact(demotion), "by": _capped(who), "because": _capped(why)}
        about = About("reinstatement", demotion.run, fact)
        self._act(now_ms, about, "DELETE FROM demotions WHERE playbook = ?", (demotion.playbook,))

    def forget(self, before_ms: int) -> int:
        """Delete the closed runs that were started before then; return how many."""
        self._write("DELETE FROM audit WHERE at_ms < ?", (before_ms,))
        self._write("DELETE FROM asks WHERE asked_ms < ?", (before_ms,))
        self._write("DELETE FROM proposals WHERE met_ms < ?", (before_ms,))
        return self._write("DELETE FROM runs WHERE started_ms < ? AND stage = ?", (before_ms, Stage.CLOSED))

    def audit(self, after: int = 0) -> tuple[Entry, ...]:
        """Return the entries of the audit chain after this one, at most ``AUDIT_PAGE_MAX`` of them."""
        query = (
            "SELECT number, at_ms, what, run, fact, after, seal FROM audit WHERE number > ? ORDER BY number"
        )
        return tuple(Entry(*row) for row in self._read(f"{query} LIMIT ?", (after, AUDIT_PAGE_MAX)))

    def attest(self, about: About, now_ms: int) -> None:
        """Write an entry of its own, such as what a person decided."""
        with self._transaction():
            self._chain(about, now_ms)

    def _prepare(self, file: Path, *, reading: bool) -> None:
        if not reading:
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            sentence = f"the journal {file} was written by a newer release (schema {version})"
            raise JournalLost(f"{sentence}; start that release, or move the file away")
        if version < SCHEMA_VERSION and reading:
            sentence = f"the journal {file} was written by an older release (schema {version})"
            raise JournalLost(f"{sentence}; start the agent of this release once")
        if version < SCHEMA_VERSION:
            upgrades = "".join(_UPGRADES[version:])
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {upgrades} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    def _act(self, now_ms: int, about: About, statement: str, values: tuple[object, ...]) -> None:
        """Write something and its entry in the audit chain, both or neither."""
        with self._transaction():
            self._connection.execute(statement, values)
            self._chain(about, now_ms)

    def _chain(self, about: About, now_ms: int) -> None:
        query = "SELECT number, seal FROM audit ORDER BY number DESC LIMIT 1"
        number, after = self._connection.execute(query).fetchone() or (0, FIRST)
        entry = Entry.sealed(number + 1, now_ms, about, after)
        row = (entry.number, entry.at_ms, entry.what, entry.run, entry.fact, entry.after, entry.seal)
        self._connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, _told("the journal cannot be written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:  # whatever it is goes on up; half a transaction must not stay
                self._connection.rollback()
                raise
            self._connection.commit()

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with self._lock, _told("the journal cannot be written"):
            return self._connection.execute(statement, values).rowcount

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock, _told("the journal cannot be read"):
            return self._connection.execute(query, values).fetchall()


@contextmanager
def _told(sentence: str) -> Iterator[None]:
    """Turn what SQLite says of a disk or a file into a fact; wrong statements stay bugs."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as wrong:
        raise JournalLost(f"{sentence}: {wrong}") from wrong


def _capped(text: str) -> str:
    """Return a text as the file takes it; the name of a file or of a process may be no text."""
    cut = text[:TEXT_CHARACTERS_MAX]
    return cut if cut.isascii() else cut.encode(errors="replace").decode()


def _told_of(result: Result) -> dict[str, object]:
    """Return what the audit keeps of a result: its words by their digest only, for they may be long."""
    return {
        "ok": result.ok,
        "rc": result.rc,
        "signal": result.signal,
        "changed": result.changed,
        "reason": _capped(result.reason),
        "output_sha256": digest(_capped(result.output)),
    }


def _run(row: tuple[Any, ...]) -> Run:
    name, playbook, target, labels, *rest = row
    (fired, onset, started, stage, acted, done, healed, verified, ended, outcome, reason, trouble, escalate,
     notes) = rest  # fmt: skip
    return Run(
        id=name,
        playbook=playbook,
        target=tuple(json.loads(target)),
        labels=Labels.of(json.loads(labels)),
        fired_ms=fired,
        onset_ms=onset,
        started_ms=started,
        stage=Stage(stage),
        acted_ms=acted,
        done_ms=done,
        healed_ms=healed,
        verified_ms=verified,
        ended_ms=ended,
        outcome=Outcome(outcome) if outcome else None,
        reason=reason,
        trouble=trouble,
        escalate=bool(escalate),
        notes=tuple(json.loads(notes)),
    )


def _step(row: tuple[Any, ...]) -> StepRecord:
    number, step, began, ended, ok, rc, signal, duration, reason, output, trace = row
    result = None
    if ok is not None:
        result = Result(bool(ok), reason, output, rc=rc, signal=signal, duration_ms=duration)
    return StepRecord(number, step, began, ended, result, trace)
