"""What a task came to, in the words by which Ansible's conditions ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from model.step import Result
from remediations.writing.condition_words import Value

STDOUT_CHARACTERS_MAX: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Told:
    """The result of a task, or of one turn of its loop; ``turns`` are those of a loop."""

    changed: bool = False
    failed: bool = False
    skipped: bool = False
    rc: int | None = None
    stdout: str = ""
    msg: str = ""
    attempts: int = 1
    start_ms: int = 0
    end_ms: int = 0
    turns: tuple[Told, ...] = ()

    @classmethod
    def of(cls, results: Sequence[Result], failed: str, start_ms: int, end_ms: int) -> Told:
        """Return what several steps came to; ``failed`` says which of them failed, and why."""
        codes = [result.rc for result in results if result.rc is not None]
        said = "\n".join(result.output for result in results if result.output)
        return cls(
            changed=any(result.changed for result in results),
            failed=bool(failed),
            rc=codes[-1] if codes else None,
            stdout=said[:STDOUT_CHARACTERS_MAX],
            msg=failed,
            start_ms=start_ms,
            end_ms=end_ms,
        )

    def values(self) -> dict[str, Value]:
        """Return it as conditions see it; times in seconds since 1970, ``delta`` in seconds."""
        found: dict[str, Value] = {
            "changed": self.changed,
            "failed": self.failed,
            "skipped": self.skipped,
            "rc": self.rc,
            "stdout": self.stdout,
            "stdout_lines": self.stdout.splitlines(),
            "msg": self.msg,
            "attempts": self.attempts,
            "start": self.start_ms / 1000,
            "end": self.end_ms / 1000,
            "delta": (self.end_ms - self.start_ms) / 1000,
        }
        if self.turns:
            found["results"] = [turn.values() for turn in self.turns]
        return found


def together(turns: Sequence[Told]) -> Told:
    """Return what a loop came to: changed or failed as soon as one turn is, skipped where all are."""
    failed = [turn for turn in turns if turn.failed]
    return Told(
        changed=any(turn.changed for turn in turns),
        failed=bool(failed),
        skipped=all(turn.skipped for turn in turns),
        msg=failed[0].msg if failed else "",
        start_ms=min(turn.start_ms for turn in turns),
        end_ms=max(turn.end_ms for turn in turns),
        turns=tuple(turns),
    )
