"""An ask as the journal keeps it: what was asked, how it ended, and what people answered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final

from model.grant import Grant
from model.labels import Labels
from remediations.asking.approval import Ask

TABLES: Final = """
CREATE TABLE asks (
  id TEXT PRIMARY KEY, asked_ms INTEGER NOT NULL, said TEXT NOT NULL, ended TEXT, word TEXT NOT NULL
) STRICT;
CREATE INDEX asks_by_time ON asks (asked_ms);
CREATE TABLE grants (
  ask TEXT NOT NULL REFERENCES asks (id) ON DELETE CASCADE, by TEXT NOT NULL, said TEXT NOT NULL,
  PRIMARY KEY (ask, said)
) STRICT;
"""
ASKS_MAX: Final = 1_000
ANSWERS_MAX: Final = 100


class Ended(StrEnum):
    """How an ask ended."""

    USED = "used"
    DENIED = "denied"
    EXPIRED = "expired"
    VOID = "void"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Asked:
    """An ask with the answers that count; ``ended`` is None while it is open, ``word`` says how it ended."""

    ask: Ask
    ended: Ended | None = None
    word: str = ""
    answers: tuple[Grant, ...] = ()


def said(ask: Ask) -> str:
    """Return an ask as it stands in the journal."""
    return json.dumps({**asdict(ask), "labels": dict(ask.labels)})


def fact(ask: Ask) -> dict[str, object]:
    """Return what each entry of the audit chain says of an ask."""
    return {"ask": ask.id, "host": ask.host, "playbook": ask.playbook, "plan": ask.plan}


def ask_of(text: str) -> Ask:
    """Read an ask from the journal."""
    read: dict[str, Any] = json.loads(text)
    return Ask(**{**read, "labels": Labels.of(read["labels"]), "steps": tuple(read["steps"])})


def word(grant: Grant) -> str:
    """Return a person's word as it stands in the journal, and in a file."""
    return json.dumps(asdict(grant))


def grant_of(data: str | bytes) -> Grant | None:
    """Read a person's word from a text that anybody may have written, None where it is none."""
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return grant_from(read)


def grant_from(read: object) -> Grant | None:
    """Read a person's word from what JSON held, None where it is none."""
    kinds = {"at_ms": int, "until_ms": int, "yes": bool}
    names = [field.name for field in fields(Grant)]
    if not isinstance(read, dict) or read.keys() != set(names):
        return None
    if any(type(read[name]) is not kinds.get(name, str) for name in names):
        return None
    return Grant(**read)
