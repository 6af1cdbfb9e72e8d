"""What playbooks have shown on the ladder, as the journal keeps it: proposals, rungs and demotions."""

from __future__ import annotations

import json
from typing import Any, Final

from model.labels import Labels
from remediations.ladder.ladder import Demotion
from remediations.ladder.proposal import Kind, Proposal
from remediations.writing.playbook import Mode

TABLES: Final = """
CREATE TABLE proposals (
  id TEXT PRIMARY KEY, playbook TEXT NOT NULL, mode TEXT NOT NULL, labels TEXT NOT NULL,
  fired_ms INTEGER NOT NULL, met_ms INTEGER NOT NULL, within_ms INTEGER NOT NULL, would_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL, guard TEXT NOT NULL, reason TEXT NOT NULL, steps TEXT NOT NULL,
  kind TEXT NOT NULL
) STRICT;
CREATE INDEX proposals_by_playbook ON proposals (playbook, met_ms);
CREATE INDEX proposals_by_time ON proposals (met_ms);
CREATE TABLE rungs (
  playbook TEXT PRIMARY KEY, edition TEXT NOT NULL, mode TEXT NOT NULL, since_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE demotions (
  playbook TEXT PRIMARY KEY, run TEXT NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
"""
PROPOSALS_MAX: Final = 200
PROPOSE: Final = (
    "INSERT INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " would_ms = excluded.would_ms, ended_ms = excluded.ended_ms, guard = excluded.guard,"
    " reason = excluded.reason, steps = excluded.steps, kind = excluded.kind"
)
STAND: Final = (
    "INSERT INTO rungs VALUES (?, ?, ?, ?) ON CONFLICT (playbook) DO UPDATE SET edition = excluded.edition,"
    " mode = excluded.mode, since_ms = excluded.since_ms"
    " WHERE edition != excluded.edition OR mode != excluded.mode"
)
DEMOTE: Final = "INSERT OR IGNORE INTO demotions VALUES (?, ?, ?, ?)"


def row(one: Proposal) -> tuple[object, ...]:
    """Return a proposal as it stands in the journal."""
    labels, steps = json.dumps(dict(one.labels)), json.dumps(one.steps)
    return (one.id, one.playbook, one.mode, labels, one.fired_ms, one.met_ms, one.within_ms, one.would_ms,
            one.ended_ms, one.guard, one.reason, steps, one.kind)  # fmt: skip


def proposal(found: tuple[Any, ...]) -> Proposal:
    """Read a proposal from the journal."""
    name, playbook, mode, labels, fired, met, within, would, ended, guard, reason, steps, kind = found
    return Proposal(
        id=name,
        playbook=playbook,
        mode=Mode(mode),
        labels=Labels.of(json.loads(labels)),
        fired_ms=fired,
        met_ms=met,
        within_ms=within,
        would_ms=would,
        ended_ms=ended,
        guard=guard,
        reason=reason,
        steps=tuple(json.loads(steps)),
        kind=Kind(kind),
    )


def fact(one: Demotion) -> dict[str, object]:
    """Return what the audit chain says of a demotion."""
    return {"playbook": one.playbook, "reason": one.reason}
