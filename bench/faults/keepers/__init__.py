"""The three keepers, each with its best reasonable configuration for the same nginx and redis."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.faults.subject import Subject


@dataclass(frozen=True, slots=True)
class Kept:
    """A subject that runs and is watched; ``stop`` is how a human or a package stops it on this host."""

    stop: Callable[[], object]
    log: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Keeper:
    """One keeper; ``keeping`` starts the subject and watches it until the block ends."""

    name: str
    keeping: Callable[[Subject], AbstractContextManager[Kept]]
