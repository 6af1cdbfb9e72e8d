"""Which devices to look at, by two regular expressions of which only one is given, as in node_exporter."""

from __future__ import annotations

from dataclasses import dataclass

from model.misfit import Misfit
from probes.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names that ``include`` finds, or where there is none, those that ``exclude`` does not find."""

    include: Pattern | None
    exclude: Pattern | None

    def __contains__(self, name: str) -> bool:
        data = name.encode()
        if self.include is not None:
            return self.include.search(data) is not None
        return self.exclude is None or self.exclude.search(data) is None


def chosen(include: Pattern | None, exclude: Pattern | None, otherwise: Pattern | None, key: str) -> Chosen:
    """Return the choice; ``otherwise`` is left out where neither is given. ``key`` is what to blame."""
    if include is not None and exclude is not None:
        raise Misfit(f"{key} makes no sense beside its counterpart", "keep one of the two", key=key)
    return Chosen(include, otherwise if exclude is None else exclude)
