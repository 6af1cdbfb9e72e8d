"""What the probes of the host itself share: where its trees are mounted, and no target but the host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.misfit import Misfit


@dataclass(frozen=True, slots=True)
class Nothing:
    """Options of a probe that has nothing to set."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An absolute path under which one of the host's trees is mounted."""

    path: Path

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read an absolute path."""
        if not text.startswith("/") or "\0" in text:
            raise Misfit(f"{text!r} is not an absolute path", "begin it with /")
        return cls(Path(text))

    def __truediv__(self, name: str) -> Path:
        return self.path / name


PROCFS = Tree(Path("/proc"))
SYSFS = Tree(Path("/sys"))
ROOTFS = Tree(Path("/"))


@dataclass(frozen=True, slots=True)
class Roots:
    """Where /proc, /sys and the root directory of the host are; a container sees its host's elsewhere."""

    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS
    rootfs: Tree = ROOTFS


def this_host(_options: object) -> str:
    """Return the target of a probe that looks at its own host."""
    return ""
