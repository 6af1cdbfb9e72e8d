"""A small filesystem of its own that is full, with files that were last changed long ago."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import SEARCH_PATH
from tests.e2e.installation import Tree
from tests.remediations.deeds.disk import MIB, fill, free_part, run

SIZE_BYTES: Final = 64 * MIB
ALERT: Final = "NodeFilesystemAlmostOutOfSpace"
LONG_AGO: Final = "20200101"


@contextmanager
def disk(folder: Path, filled: Callable[[Path], tuple[Path, ...]]) -> Iterator[Path]:
    """Mount an ext4 that was filled; the files that ``filled`` returns were last changed long ago.

    Nobody can set that time of a file (ctime) but who writes to the filesystem beneath it (debugfs(8)).
    """
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    image, place = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    place.mkdir()
    run("mkfs.ext4", "-q", "-m", "0", "-N", "512", str(image))
    with _mounted(image, place):
        old = [path.relative_to(place) for path in filled(place)]
    words = "".join(
        f"set_inode_field /{path} {field} {LONG_AGO}\n"
        for path in old
        for field in ("ctime", "mtime", "atime")
    )
    script = folder / "debugfs.txt"
    script.write_text(words)
    run(shutil.which("debugfs", path=SEARCH_PATH) or "debugfs", "-w", "-f", str(script), str(image))
    with _mounted(image, place):
        yield place
    image.unlink()


@contextmanager
def _mounted(image: Path, place: Path) -> Iterator[None]:
    try:
        run("mount", "-o", "loop,noatime", str(image), str(place))
    except subprocess.CalledProcessError:
        pytest.skip("this machine does not let root mount")
    try:
        yield
    finally:
        run("umount", str(place))


def fill_up(place: Path, *, leave: int = 2 * MIB) -> Path:
    """Write one file of data that leaves only so many bytes free."""
    facts = os.statvfs(place)
    return fill(place / "data" / "orders", facts.f_bavail * facts.f_frsize - leave)


def probe(place: Path) -> Tree:
    """Watch this filesystem alone."""
    return {"filesystem": {"mount_points_include": f"^{place}$"}, "every": "1s"}


def expr(place: Path) -> str:
    """Return the condition of the pack's rule on a full filesystem, for this one."""
    of = f'{{mountpoint="{place}"}}'
    return f"node_filesystem_avail_bytes{of} / node_filesystem_size_bytes{of} * 100 < 5"


__all__ = ["ALERT", "MIB", "disk", "expr", "fill", "fill_up", "free_part", "probe"]
