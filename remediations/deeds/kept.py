"""What deeds write down for their undo: a private folder for each run, the oldest dropped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Final

from remediations.deeds.doing import Doing

RUNS_MAX: Final = 200

Note = dict[str, object]


def folder_of(doing: Doing) -> Path:
    """Return the folder of this run, whether it is there or not."""
    # A run's name comes from its alert; no part of it becomes a path.
    return doing.keep / f"run-{hashlib.sha256(doing.run.encode()).hexdigest()[:32]}"


def write(doing: Doing, kind: str, note: Note, content: bytes = b"") -> Path:
    """Keep a note and maybe a file's content for this run, durably, and return the note's path."""
    place = folder_of(doing)
    if not place.is_dir():
        place.mkdir(mode=0o700, parents=True)
        _forget(doing.keep)
    # Numbers have one width, so that they sort as names.
    number = max((int(one.stem.removeprefix(f"{kind}-")) for one in place.glob(f"{kind}-*.json")), default=0)
    path = place / f"{kind}-{number + 1:06d}.json"
    for target, data in ((path.with_suffix(".content"), content), (path, json.dumps(note).encode())):
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
    return path


def notes(doing: Doing, kind: str) -> list[tuple[Path, Note]]:
    """Return the notes of one kind that this run left, the newest first."""
    paths = sorted(folder_of(doing).glob(f"{kind}-*.json"), reverse=True)
    return [(path, json.loads(path.read_bytes())) for path in paths]


def content(path: Path) -> bytes:
    """Return the content that was kept with a note."""
    return path.with_suffix(".content").read_bytes()


def drop(path: Path) -> None:
    """Forget a note that was made use of."""
    path.with_suffix(".content").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _forget(keep: Path) -> None:
    """Drop the runs that were written to longest ago."""
    runs = sorted(keep.glob("run-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in runs[RUNS_MAX:]:
        shutil.rmtree(path)
