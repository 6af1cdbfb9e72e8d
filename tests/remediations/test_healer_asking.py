"""Who may know better is asked before anything begins: whoever works on the host, and the desk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from model.alert import Alert
from model.outcome import Outcome
from model.step import HumanAct
from remediations.playbook import Playbook
from remediations.question import LATER_MS
from tests.remediations import stage
from tests.remediations.stage import play, wall_ms

QUICK = "{within: 2s, hold: 100ms}"


def test_who_is_at_work_and_the_desk_are_asked_by_a_worker_before_anything_begins(tmp_path: Path) -> None:
    act: list[HumanAct | None] = [HumanAct("apt is at work on this host", passing=True)]
    lease = ["2 of 10 hosts of shop are healing already"]
    leases: list[str] = []

    def leased(playbook: Playbook, _alert: Alert) -> str:
        leases.append(playbook.playbook)
        return lease[0]

    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        around = replace(game.healer._around, at_work=lambda: act[0], lease=leased)
        game.healer._around = around
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: "apt is at work" in game.remedy().reason)
        assert leases == [], "no lease is taken for what is refused anyway"
        act[0] = None
        game.healer.tick(wall_ms() + LATER_MS)
        game.until(lambda: "healing already" in game.remedy().reason)
        assert game.journal.recent(0) == ()
        lease[0] = ""
        game.healer.tick(wall_ms() + LATER_MS)
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert leases == ["heal-shop", "heal-shop"]
        assert game.healer.tally.refusals == {("heal-shop", "at_work"): 1, ("heal-shop", "lease"): 1}
