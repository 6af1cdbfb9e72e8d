"""What a remedy that cannot help must come to: two runs, an open breaker, somebody called, no third run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

import rules.packs
from tests.e2e.faults.scene import Stage
from tests.e2e.installation import EVERY_GUARD_WIDE, Tree
from tests.e2e.patience import never

QUIET_S: Final = 1.0

BY_ITSELF: Final[Tree] = {**EVERY_GUARD_WIDE, "approval": {"by": 0, "because": "nobody is here to ask"}}
"""Every guard wide, also for what cannot be taken back."""

QUICKLY: Final[Tree] = {"within": "1s", "hold": "1s"}
"""How long to wait for what cannot come."""


def at_once(pack: str, alert: str) -> Tree:
    """Return the first rule of this name from a shipped pack, for at once instead of after its time."""
    groups = yaml.safe_load((Path(rules.packs.__path__[0]) / f"{pack}.yml").read_text())["groups"]
    found: Tree = next(one for group in groups for one in group["rules"] if one.get("alert") == alert)
    return {key: value for key, value in found.items() if key != "for"}


def left_to_people(stage: Stage, alert: str, outcome: str) -> None:
    """Wait until two runs were in vain; then nothing more is done, and somebody is called."""
    assert stage.wait_outcomes(2) == [outcome, outcome], stage.story()
    remedy: dict[str, Any] = stage.wait(
        lambda: told if "is stopped until" in str((told := stage.remedy(alert)).get("reason")) else None,
        "the breaker is open",
    )
    assert remedy["escalate"], remedy
    never(lambda: len(stage.runs()) > 2, QUIET_S, "a run too many", stage.story)
    assert stage.firing(alert), stage.story()
