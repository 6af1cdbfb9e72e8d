"""Remove old files below declared folders; they are held for an hour where there is room for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.deed import FreeSpace, RemoveOld, RestoreHeld
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from remediations.actions.free_space import DAY, Pattern, Root, check_age, check_lists


@dataclass(frozen=True, slots=True)
class Options:
    """Which files in which folders, from which age on.

    ``patterns`` are what names look like, ``keep`` names that stay. Both the content's and the file's last
    change count for ``age``. What is removed is held for ``hold`` in a private folder beside it, from where
    an undo brings it back, as long as 10 % of the filesystem stay free; else it is gone at once. What was
    held long enough goes with the next run.
    """

    roots: tuple[Root, ...]
    patterns: tuple[Pattern, ...]
    age: Duration
    keep: tuple[Pattern, ...] = ()
    hold: Duration = seconds(3600)

    def __post_init__(self) -> None:
        check_age(self.age)
        check_lists(roots=self.roots, patterns=self.patterns)
        if self.hold > DAY:
            raise Misfit(f"{self.hold} is too long to hold files", "write hold: 1h", key="hold")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Take each folder by itself, because they may lie on different filesystems."""
    for root in options.roots:
        old = RemoveOld((root,), options.patterns, options.keep, options.age.s)
        yield FreeSpace(root, 1.0, (old,), options.hold.s)


def undo(options: Options, _host: Host) -> Iterator[Step]:
    """Put back what is held."""
    if options.hold.ms:
        yield RestoreHeld()


def touches(options: Options) -> frozenset[str]:
    """Two runs never clean one place at once."""
    return frozenset(f"space:{root}" for root in options.roots)


ACTION = Action("remove_old", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches, undo=undo)
