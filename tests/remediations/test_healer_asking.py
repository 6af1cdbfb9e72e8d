"""Who may know better is asked before anything begins: whoever works on the host, and the desk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from model.alert import Alert
from model.labels import Labels
from model.outcome import Outcome
from model.step import HumanAct
from remediations.question import LATER_MS
from remediations.writing.playbook import Playbook
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


def test_a_lease_is_given_back_when_its_run_is_over_or_was_refused_after_it(tmp_path: Path) -> None:
    back: list[tuple[str, int]] = []
    with play(tmp_path, stage.playbook(verify=QUICK, guard="{cooldown: 0s}")) as game:

        def leased(_playbook: Playbook, _alert: Alert) -> str:
            if not back:
                game.switch.set("ada", "wait", wall_ms())
            return ""

        game.healer._around = replace(
            game.healer._around,
            lease=leased,
            give_back=lambda labels, leases: back.append((labels.get("service"), leases)),
        )
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: bool(back))
        assert game.journal.recent(0) == (), "the kill switch was set while the desk was asked"
        game.switch.lift()
        game.healer.tick(wall_ms() + LATER_MS)
        game.until(lambda: len(back) == 2)
        assert game.remedy().status is Outcome.FIXED
        assert back == [("shop", 1)] * 2


def test_leases_of_a_life_before_are_settled_but_for_runs_that_go_on(tmp_path: Path) -> None:
    slow = stage.playbook("- command: {argv: [sleep, '0.1']}", verify=QUICK)
    with play(tmp_path, slow) as game:
        game.healer.consider(stage.alert(), wall_ms())
        [run] = game.journal.unfinished()
        game.until(lambda: bool(game.journal.steps(run.id)))
    settled: list[frozenset[Labels]] = []
    back: list[int] = []
    with play(tmp_path, slow) as game:
        game.healer._around = replace(
            game.healer._around,
            give_back=lambda _labels, leases: back.append(leases),
            settle=settled.append,
        )
        game.healer.recover(wall_ms())
        game.until(lambda: settled == [frozenset({stage.LABELS})])
        game.until(lambda: back == [1])
        assert game.remedy().status is Outcome.FIXED
