"""What came of runs and what guards refused, counted since the agent started."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs by playbook and outcome, refusals by playbook and guard, proposals by playbook and kind.

    A run whose cure did not last counts once as fixed and once as recurred. A refusal counts once for an
    alert, however often the guards are asked, until another guard refuses.
    """

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    proposals: Counter[tuple[str, str]] = field(default_factory=Counter)
