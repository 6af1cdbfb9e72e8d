"""A healer in a process of its own, to be killed in the middle of a step; prints a line when it acts."""

from __future__ import annotations

import sys
from pathlib import Path

from model.outcome import Healing
from remediations.writing.playbook import Playbook
from tests.remediations import stage
from tests.remediations.stage import play, wall_ms


def playbook(folder: Path) -> Playbook:
    """One step that leaves a mark for each time that it is taken, and then takes long."""
    return stage.playbook(f"- command: {{argv: [{folder / 'program'}]}}", verify="{within: 2s, hold: 100ms}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with play(folder, playbook(folder)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until((folder / "counted").exists)
        print("acting", flush=True)
        game.until(lambda: game.remedy().status is not Healing.ACTING, 60)
