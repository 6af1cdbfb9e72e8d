"""Which alerts cannot be judged because what they look at cannot be seen."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from model.labels import Labels
from rules.reach import ANY

# These are written about a target whether it could be seen or not.
ALWAYS_WRITTEN: Final = frozenset({"up", "scrape_duration_seconds", "scrape_samples_scraped"})


@dataclass(frozen=True, slots=True)
class Unseen:
    """The targets that cannot be seen now, each with the metrics it would bring; none named means any."""

    targets: Mapping[Labels, frozenset[str]] = field(default_factory=dict)

    def hides(self, alert: Labels, own: Set[str], sources: frozenset[str]) -> bool:
        """Tell whether an alert's absence from a result may only mean that its target cannot be seen.

        ``own`` are the names of the labels that the rule itself sets, ``sources`` the metrics it reads.
        The target must be able to bring one of them, and all its labels must be in the alert, or those that
        tell targets apart (``job`` and ``instance``) must not speak against it: an aggregation drops labels.
        """
        read = sources - ALWAYS_WRITTEN
        return any(
            _brings(brought, read) and _is_about(alert, target, own)
            for target, brought in self.targets.items()
            if read
        )


def _brings(brought: frozenset[str], read: frozenset[str]) -> bool:
    return not brought or ANY in read or not read.isdisjoint(brought)


def _is_about(alert: Labels, target: Labels, own: Set[str]) -> bool:
    if all(alert.get(name) == value for name, value in target.pairs):
        return True
    return all(name in own or alert.get(name) in ("", target.get(name)) for name in ("job", "instance"))
