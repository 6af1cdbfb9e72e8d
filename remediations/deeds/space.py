"""How much of a filesystem is free, and how much of one run may still be spent on changing that."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from remediations.deeds.doing import Doing
from remediations.deeds.in_use import Users
from remediations.writing.amounts import sized

RUN_PART_MAX: Final = 0.2
RUN_BYTES_MAX: Final = 10 << 30
RUN_FILES_MAX: Final = 10_000
NAMED_MAX: Final = 50


@dataclass(slots=True)
class Work:
    """One run of the broom: the filesystem, the target, what is left of the limits, and what was said.

    Filesystems may free late what was removed, so what was taken counts at once. In a check it counts
    although nothing was.
    """

    doing: Doing
    fd: int
    target: float
    hold_s: float
    until_s: float
    users: Users = field(default_factory=Users)
    size_bytes: int = 0
    files_left: int = RUN_FILES_MAX
    bytes_left: int = 0
    before_bytes: int = 0
    taken_bytes: int = 0
    held_bytes: int = 0
    changed: bool = False
    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        facts = os.fstatvfs(self.fd)
        self.size_bytes = facts.f_blocks * facts.f_frsize
        self.bytes_left = min(RUN_BYTES_MAX, int(self.size_bytes * RUN_PART_MAX))
        self.before_bytes = self.available_bytes()

    def available_bytes(self) -> int:
        """Return how much is free for everybody (statvfs(3), f_bavail)."""
        facts = os.fstatvfs(self.fd)
        return facts.f_bavail * facts.f_frsize

    @property
    def free_bytes(self) -> int:
        """How much is free, or will be as soon as the filesystem has caught up."""
        return max(self.available_bytes(), self.before_bytes + self.taken_bytes)

    @property
    def missing_bytes(self) -> int:
        """How much is missing to the target; 0 where it is reached."""
        return max(0, int(self.size_bytes * self.target) - self.free_bytes)

    @property
    def free(self) -> str:
        """How much is free, for people."""
        part = self.free_bytes / self.size_bytes if self.size_bytes else 0.0
        return f"{part:.1%} ({sized(self.free_bytes)})"

    def stopped(self) -> str:
        """Return the kill switch's sentence, or that the time is over, or nothing."""
        over = self.doing.monotonic() >= self.until_s
        return self.doing.stopped() or ("the time for this step is over" if over else "")

    def spend(self, name: str, size_bytes: int) -> None:
        """Note that a file was taken, or would be."""
        self.files_left -= 1
        self.bytes_left -= size_bytes
        self.taken_bytes += size_bytes
        self.changed = True
        if len(self.names) < NAMED_MAX:
            self.names.append(f"- {name} ({sized(size_bytes)})")
