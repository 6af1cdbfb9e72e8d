"""The shape of what can be plugged in: a frozen value that names a function, its options and its promise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from model.duration import Duration, seconds
from model.sample import Metric, Sample

Options = TypeVar("Options")


class DeadlinePassed(Exception):
    """The time that was given for something is over."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which work is no longer wanted."""

    at_s: float
    monotonic: Callable[[], float]

    def left_s(self) -> float:
        """Return the seconds left, always more than 0, or raise ``DeadlinePassed``."""
        left = self.at_s - self.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """A wish to be run again as soon as this process is gone."""

    pid: int


@dataclass(frozen=True, slots=True)
class FileChange:
    """A wish to be run again as soon as this file appears, changes or goes."""

    path: str


Wish = ProcessExit | FileChange


@dataclass(frozen=True, slots=True)
class Probe(Generic[Options]):
    """A sense: options in, samples out, and wishes to be woken before the next slot.

    ``run`` may block until its deadline. An exception means that the probe itself is in trouble and its
    target unknown; a target that is down is a sample. ``target`` names what is looked at, for the
    ``instance`` label; the empty string stands for the host itself.
    """

    name: str
    options: type[Options]
    run: Callable[[Options, Deadline], Iterable[Sample | Wish]]
    emits: tuple[Metric, ...]
    job: str
    target: Callable[[Options], str]
    every: Duration = seconds(15)
    timeout: Duration = seconds(5)


AnyProbe = Probe[Any]
