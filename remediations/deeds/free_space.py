"""Free space on a filesystem: one strategy after the other, within limits, until the target is reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from model import deed
from model.deed import FreeSpace, RestoreHeld
from model.step import Result
from remediations.deeds import brooms, kept, removal, sweep
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused, below, opened, shown
from remediations.deeds.space import Work
from remediations.writing.amounts import sized

STRATEGIES: Final[Mapping[type, Callable[[Any, Work], None]]] = {
    deed.VacuumJournal: brooms.vacuum_journal,
    deed.RotateLogs: brooms.rotate_logs,
    deed.CleanPackages: brooms.clean_packages,
    deed.PruneImages: brooms.prune_images,
    deed.RemoveOld: sweep.sweep,
}


def do(step: FreeSpace, doing: Doing) -> Result:
    """Take each strategy that is still needed, and say what each gave."""
    try:
        with opened(step.path) as fd:
            work = Work(doing, fd, step.target_free, step.hold_s, doing.monotonic() + step.timeout_s)
            return _freed(step, work)
    except Refused as why:
        return Result(ok=False, reason=str(why))


def _freed(step: FreeSpace, work: Work) -> Result:
    began = work.free
    for strategy in step.strategies:
        if not work.missing_bytes or work.stopped():
            break
        STRATEGIES[type(strategy)](strategy, work)
    switch = work.doing.stopped()
    told = [f"free on the filesystem of {step.path}: {began} before, {work.free} now", *work.lines]
    reason = switch or _shortfall(step, work)
    return Result(
        ok=not reason or work.doing.check,
        reason=reason,
        output="\n".join(told),
        stopped=switch,
        changed=work.changed and not work.doing.check,
        diff="\n".join(work.names + work.lines if work.doing.check else work.names),
    )


def _shortfall(step: FreeSpace, work: Work) -> str:
    """Say why the target was not reached, and where the space is."""
    stopped = work.stopped()
    if not work.missing_bytes or step.target_free >= 1:
        return stopped if step.target_free >= 1 else ""
    used = work.size_bytes - work.free_bytes
    short = f"only {work.free} of {step.path} is free, {step.target_free:.0%} is wanted"
    if stopped:
        return f"{short}: {stopped}"
    if not work.files_left or not work.bytes_left:
        return f"{short}: one run may remove no more"
    return (
        f"{short}, and nothing more may be removed: of {sized(used)} in use,"
        f" {sized(work.held_bytes)} lie in the folders that may be cleaned"
    )


def restore(_step: RestoreHeld, doing: Doing) -> Result:
    """Put back what is still held, never over something that came in its place."""
    back, lost, names = 0, 0, []
    for path, note in kept.notes(doing, sweep.HELD):
        try:
            with opened(str(note["root"])) as root, removal.bin_in(root) as private:
                for held, *folder, name in _files(note):
                    came = _back(root, private, held, folder, name, check=doing.check)
                    back, lost = back + came, lost + (not came)
                    names += [shown("/".join((str(note["root"]), *folder, name)))] if came else []
        except (Refused, OSError) as why:
            return Result(ok=False, reason=f"what is held cannot be put back: {why}", changed=back > 0)
        if not doing.check:
            kept.drop(path)
    told = f"put back {back} files; {lost} had not been taken or were held no more"
    return Result(ok=True, output=told, changed=back > 0 and not doing.check, diff="\n".join(names[:50]))


def _files(note: kept.Note) -> list[list[str]]:
    files = note["files"]
    assert isinstance(files, list), "we wrote it"
    return files


def _back(root: int, private: int, held: str, folder: list[str], name: str, *, check: bool) -> bool:
    try:
        os.stat(held, dir_fd=private, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if check:
        return True
    try:
        with below(root, folder) as inner:
            return removal.put_back(private, held, inner, name)
    except (Refused, OSError):
        return False
