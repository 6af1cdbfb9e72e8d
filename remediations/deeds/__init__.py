"""How deeds are done: one module for each, and its line in ``DEEDS``.

A deed finds what it acts upon itself, at the moment of acting, and keeps to its limits whatever it was told.
With ``check`` it only looks, and says in the result's ``diff`` what it would change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from model import deed
from model.step import Result
from remediations.deeds import wait_for
from remediations.deeds.doing import Doing

DEEDS: Final[Mapping[type, Callable[[Any, Doing], Result]]] = {
    deed.WaitFor: wait_for.do,
}
