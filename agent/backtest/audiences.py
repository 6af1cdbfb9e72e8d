"""Who would have been told, asked of the desk through its entry point where it is installed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

GROUP: Final = "beforehand.audiences"

Audience = Callable[[Mapping[str, str], int], tuple[frozenset[str], str]]
"""From an alert's labels and how long it fired, in ms, to the people who hear of it, and why."""


class NoDesk(Exception):
    """People cannot be counted, because the desk is not installed."""


def audience(desk: Path) -> Audience:
    """Return who hears of what by a desk.yaml and its catalogue; mistakes in them are ``Rejected``."""
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            opened: Callable[[Path], Audience] = point.load()
        except ModuleNotFoundError as missing:
            raise NoDesk(f"the desk needs {missing.name}; install beforehand[desk]") from None
        return opened(desk)
    raise NoDesk("people are not counted: the desk is not installed; install beforehand[desk]")
