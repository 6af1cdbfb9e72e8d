"""The host's trees as discovery reads them: small files, by the paths that the host knows them by."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from itertools import islice
from typing import Final

from probes.files.paths import read_regular
from probes.host.roots import PROCFS, ROOTFS, Tree

FILE_BYTES_MAX: Final = 1 << 20
MATCHES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Trees:
    """Where the host's /proc and its root directory are mounted."""

    procfs: Tree = PROCFS
    rootfs: Tree = ROOTFS

    def here(self, path: str) -> str:
        """Return where a path of the host's is, for this process."""
        return str(self.rootfs / path.lstrip("/"))

    def matching(self, pattern: str) -> list[str]:
        """Return the host's paths that a pattern stands for, sorted, ``MATCHES_MAX`` at most."""
        above = len(self.here("/").rstrip("/"))
        found = glob.iglob(glob.escape(self.here("/").rstrip("/")) + pattern)  # noqa: PTH207  # as the probes do
        return sorted(path[above:] for path in islice(found, MATCHES_MAX))

    def read(self, path: str) -> bytes | None:
        """Return the first MiB of a regular file; None if there is none. PermissionError passes through."""
        found = read_regular(self.here(path), FILE_BYTES_MAX)
        return None if found is None else found[:FILE_BYTES_MAX]

    def text(self, path: str) -> str:
        """Return a file as text, or nothing where this user cannot read it."""
        try:
            return os.fsdecode(self.read(path) or b"")
        except OSError:
            return ""


def said(raw: bytes) -> str:
    """Return what the host calls something, such that its bytes are not lost."""
    return raw.decode("utf-8", "surrogateescape")
