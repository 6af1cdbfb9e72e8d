"""Small real filesystems to fill, and a hand whose clock runs some days ahead.

Nobody can make a file's last change (ctime) lie in the past, so the files are new and the hand's day is late.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.deed import Deed
from model.step import Result
from remediations.hand import Hand
from tests.remediations.stage import wall_ms

DAYS_MS = 86_400_000
MIB = 1 << 20


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size_bytes: int = 64 * MIB) -> Iterator[Path]:
    """Mount an ext4 of this size on a folder of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    image, place = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    place.mkdir()
    run("mkfs.ext4", "-q", "-m", "0", "-N", "2048", str(image))
    try:
        run("mount", "-o", "loop", str(image), str(place))
    except subprocess.CalledProcessError:
        pytest.skip("this machine does not let root mount")
    try:
        yield place
    finally:
        run("umount", str(place))
        image.unlink()


def done(
    keep: Path,
    step: Deed,
    *,
    days: float = 30,
    check: bool = False,
    run: str = "r1",
    stopped: str = "",
) -> Result:
    """Carry out a deed some days from now."""
    hand = Hand(time.monotonic, lambda: wall_ms() + int(days * DAYS_MS), keep)
    try:
        return hand.carry_out(step, lambda: stopped, run, check=check)
    finally:
        hand.close()


def fill(path: Path, size_bytes: int, age_days: float = 0) -> Path:
    """Write a file of real blocks, as if its content were so old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size_bytes)
    at_s = time.time() - age_days * 86_400
    os.utime(path, (at_s, at_s))
    return path


def free_part(path: Path) -> float:
    facts = os.statvfs(path)
    return facts.f_bavail / facts.f_blocks
