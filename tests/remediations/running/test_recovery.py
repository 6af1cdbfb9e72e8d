from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.outcome import Healing, Outcome
from remediations.running.journal import Journal
from remediations.running.run import RESTARTED
from tests.remediations import doomed, stage
from tests.remediations.stage import play, wall_ms

ROOT = Path(doomed.__file__).parents[2]


def killed_in_mid_step(folder: Path) -> None:
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho $$ >>{folder}/counted\nexec sleep 30\n")
    program.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.remediations.doomed", str(folder)],
        stdout=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"acting\n"
        agent.send_signal(signal.SIGKILL)
        agent.wait(10)


@pytest.mark.parametrize(("gone", "outcome"), [(True, Outcome.FIXED), (False, Outcome.INEFFECTIVE)])
def test_a_run_of_a_killed_agent_is_closed_by_its_effect_and_no_step_is_repeated(
    tmp_path: Path, gone: bool, outcome: Outcome
) -> None:
    killed_in_mid_step(tmp_path)
    journal = Journal(tmp_path / "runs.db")
    [run] = journal.unfinished()
    [step] = journal.steps(run.id)
    assert step.result is None, "its intent is on disk, its result is not known"
    journal.close()
    try:
        with play(tmp_path, doomed.playbook(tmp_path)) as game:
            game.gone[0] = lambda: gone
            game.healer.recover(wall_ms())
            assert game.remedy().status is Healing.VERIFYING
            assert game.remedy().reason.startswith(f"{RESTARTED}; run {tmp_path}/program: what came of it")
            game.healer.consider(stage.alert(), wall_ms())
            remedy = game.closed()
            assert (remedy.status, remedy.run) == (outcome, run.id)
            game.healer.tick(wall_ms())
            assert len((tmp_path / "counted").read_text().split()) == 1
    finally:
        os.kill(int((tmp_path / "counted").read_text()), signal.SIGKILL)


def test_nothing_new_begins_for_an_old_alert_until_the_rules_say_that_it_still_fires(tmp_path: Path) -> None:
    killed_in_mid_step(tmp_path)
    try:
        with play(tmp_path, stage.playbook("- command: {argv: ['true']}", guard="{cooldown: 0s}")) as game:
            game.gone[0] = lambda: False
            game.healer.recover(wall_ms())
            game.until(lambda: game.remedy().status is Outcome.INEFFECTIVE)
            game.healer.tick(wall_ms() + 60_000)
            assert len(game.journal.recent(0)) == 1
            game.healer.consider(stage.alert(), wall_ms() + 60_000)
            assert len(game.journal.recent(0)) == 2
    finally:
        os.kill(int((tmp_path / "counted").read_text()), signal.SIGKILL)
