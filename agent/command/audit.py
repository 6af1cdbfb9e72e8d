"""The command ``beforehand audit``: check that the book of what was done is whole, and print it."""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK
from remediations.running.audit import Entry, digest, first_break


def add_options(parser: argparse.ArgumentParser, state: Path) -> None:
    """Add the options of this command."""
    parser.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")
    parser.add_argument("--run", default="", metavar="ID", help="only the entries of this run")
    parser.add_argument("--json", action="store_true", help="one JSON object for each entry")


def command(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print the entries and the verdict on the chain; returns the exit code."""
    folder = options.state / "agent" if (options.state / "agent").is_dir() else options.state
    try:
        entries, outputs = read(folder / "runs.db")
    except sqlite3.Error as wrong:
        print(f"{folder / 'runs.db'} cannot be read: {wrong}", file=err)
        return EX_FAILED
    for entry in entries:
        if options.run in ("", entry.run):
            print(_as_json(entry) if options.json else line(entry), file=out)
    wrong_at = first_break(entries) or altered(entries, outputs)
    if wrong_at:
        print(f"broken: {wrong_at}", file=err)
        return EX_FAILED
    last = f", the last seal is {entries[-1].seal}" if entries else ""
    print(f"whole: {len(entries)} entries{last}", file=err)
    return EX_OK


def read(file: Path) -> tuple[list[Entry], dict[tuple[str, int], str]]:
    """Return the audit chain, and what each step said, without changing the file."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        rows = connection.execute(
            "SELECT number, at_ms, what, run, fact, after, seal FROM audit ORDER BY number"
        ).fetchall()
        steps = connection.execute("SELECT run, number, output FROM steps WHERE output IS NOT NULL")
        return [Entry(*row) for row in rows], {(run, number): output for run, number, output in steps}


def altered(entries: Iterable[Entry], outputs: dict[tuple[str, int], str]) -> str:
    """Return which step's words are not those that were sealed, or nothing."""
    for entry in entries:
        if entry.what != "result":
            continue
        fact = json.loads(entry.fact)
        said = outputs.get((entry.run, fact["number"]))
        if said is not None and digest(said) != fact["output_sha256"]:
            return f"what step {fact['number']} of run {entry.run} said was changed afterwards"
    return ""


def line(entry: Entry) -> str:
    """Return an entry as one line for people."""
    moment = datetime.fromtimestamp(entry.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    told = ", ".join(_words(json.loads(entry.fact)))
    return printable(f"{entry.number} {moment} {entry.what} {entry.run}: {told}")


def _words(fact: dict[str, object]) -> Iterator[str]:
    for name, value in fact.items():
        if value not in (None, "", [], {}) and not name.endswith("_sha256"):
            yield f"{name} {value}"


def _as_json(entry: Entry) -> str:
    told = {"number": entry.number, "at_ms": entry.at_ms, "what": entry.what, "run": entry.run}
    return json.dumps({**told, "fact": json.loads(entry.fact), "after": entry.after, "seal": entry.seal})
