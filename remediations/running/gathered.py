"""Evidence of a run: what its steps wrote down of the host, small enough to hand in; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from model.step import Host, Preset
from remediations.actions import collect
from remediations.redact import redacted
from remediations.running.journal import StepRecord

RUN_BYTES_MAX: Final = 64 << 10
PIECES_MAX: Final = 64

_ANYWHERE: Final = Host(has_systemd=True)
_LOOKS: Final[Mapping[str, str]] = {
    str(step): preset
    for preset in get_args(Preset)
    for step in collect.plan(collect.Options((preset,)), _ANYWHERE)
}
_GATHERS: Final = "gather "
_LAST_LINES_COUNT: Final = frozenset({"journal"})
"""Of these the end tells most; of tables it is the beginning."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step saw: the step's number in its run, what it looked at, and the text."""

    number: int
    name: str
    text: str
    truncated: bool


def evidence_of(step: str) -> str:
    """Return what a step in the journal looked at, or the empty text where it did something else."""
    return _LOOKS.get(step, "") or (step.removeprefix(_GATHERS) if step.startswith(_GATHERS) else "")


def gathered(steps: Iterable[StepRecord]) -> tuple[Piece, ...]:
    """Return the evidence among these steps, redacted, of at most 64 KiB in all; each has its fair share."""
    looks = [
        (one.number, evidence_of(one.step), redacted(one.result.output))
        for one in steps
        if one.result is not None and one.result.output and evidence_of(one.step)
    ][:PIECES_MAX]
    left, found = RUN_BYTES_MAX, list[Piece]()
    # Whoever needs less than its share leaves the rest to those after it, so the short ones come first.
    for place, (number, name, text) in enumerate(sorted(looks, key=lambda look: len(look[2]))):
        piece = _cut(number, name, text, left // (len(looks) - place))
        left -= len(piece.text.encode())
        found.append(piece)
    return tuple(sorted(found, key=lambda piece: piece.number))


def _cut(number: int, name: str, text: str, bytes_max: int) -> Piece:
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return Piece(number, name, data.decode(), truncated=False)
    kept = data[-bytes_max:] if name in _LAST_LINES_COUNT else data[:bytes_max]
    return Piece(number, name, kept.decode(errors="ignore"), truncated=True)
