"""Empty large deleted files that a program appends to, where it cannot be restarted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.deed import TruncateDeleted
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.free_space import Filesystem
from remediations.actions.release_open_deleted import LARGE
from remediations.actions.service import FilePath
from remediations.writing.amounts import Bytes


@dataclass(frozen=True, slots=True)
class Options:
    """The filesystem, the program that holds the files, and from which size on they are emptied.

    A file that is written to other than at its end is left alone. What it held is gone; where the program may
    be restarted, release_open_deleted loses nothing.
    """

    path: Filesystem
    exe: FilePath
    min_size: Bytes = LARGE


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed looks and acts, because what is open is seen only then."""
    yield TruncateDeleted(options.path, options.min_size, options.exe)


def touches(options: Options) -> frozenset[str]:
    """Two runs never work on one filesystem at once."""
    return frozenset({f"space:{options.path}"})


ACTION = Action("truncate_open_deleted", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches)
