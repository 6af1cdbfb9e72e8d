"""What keeps playbooks from acting, gathered from a real state directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import commands
from agent.config import AgentConfig, load
from agent.healing.restraints import Restraints, deployed_ms, worse
from agent.healing.warm_up import Begun, WarmUp, warming
from agent.state import StateDirectory
from model.alert import Alert, AlertState
from model.duration import seconds
from model.labels import Labels
from model.misfit import Misfit

NOW_MS = 1_700_000_000_000
MINUTE = 60_000


def test_the_warm_up_that_lasts_longest_says_until_when() -> None:
    begun = Begun(boot_ms=NOW_MS - MINUTE, start_ms=NOW_MS - MINUTE)
    assert warming(WarmUp(), begun, NOW_MS) == (
        "warming up until 22:22:20 UTC, because this host was booted at 22:12:20 UTC"
    )
    assert warming(WarmUp(), begun, NOW_MS + 9 * MINUTE) == ""
    assert "deployed" in warming(WarmUp(), Begun(deploy_ms=NOW_MS), NOW_MS + 14 * MINUTE)


def test_zero_is_no_warm_up_and_what_lies_ahead_is_none() -> None:
    none = WarmUp(seconds(0), seconds(0), seconds(0))
    assert warming(none, Begun(NOW_MS, NOW_MS, NOW_MS), NOW_MS) == ""
    assert warming(WarmUp(), Begun(deploy_ms=NOW_MS + 1), NOW_MS) == ""
    assert warming(WarmUp(), Begun(), NOW_MS) == ""
    with pytest.raises(Misfit):
        WarmUp(boot=seconds(2 * 86_400))


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    file = tmp_path / "agent.yaml"
    file.write_text("rules: []\nprobes: [load: {}]\nwarm_up: {boot: 0s, start: 5m, deploy: 15m}\n")
    return load(file).config


def test_a_start_a_deploy_and_a_doubt_pause_and_a_hold_holds(
    tmp_path: Path, config: AgentConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    state = StateDirectory(tmp_path / "state")
    now_ms = [NOW_MS]
    restraints = Restraints(state, NOW_MS - 6 * MINUTE, lambda: now_ms[0])
    assert restraints.pauses(config, ()) == {}
    assert restraints.pauses(config, ["the clock was set"]) == {"doubt": "the clock was set"}
    now_ms[0] = NOW_MS - 2 * MINUTE
    assert "the agent was started" in restraints.pauses(config, ())["warm-up"]

    there = ("--state", str(state.path))
    assert commands.main(["deployed", *there]) == 0
    now_ms[0] = deployed_ms(state.deployed) + MINUTE
    assert "deployed" in restraints.pauses(config, ())["warm-up"]

    hold = ["hold", "--for", "2h", "--playbook", "heal", "--because", "we look at it"]
    assert commands.main([*hold, *there]) == 0
    assert restraints.holds()["heal"].endswith(": we look at it")
    assert commands.main(["unhold", "--playbook", "heal", *there]) == 0
    assert restraints.holds() == {}
    assert "the hold is over" in capsys.readouterr().out
    state.close()


@pytest.mark.parametrize(
    "words",
    [
        ["hold", "--because", "x", "--for", "9d"],
        ["hold", "--because", "x", "--playbook", "../x"],
        ["hold", "--for", "1h"],
    ],
)
def test_a_hold_that_is_wrong_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        commands.main(words)


def test_where_there_is_no_state_nothing_is_noted_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = ("--state", str(tmp_path / "no"))
    assert commands.main(["hold", "--because", "x", *nowhere]) == 1
    assert commands.main(["deployed", *nowhere]) == 1
    assert "name the agent's --state" in capsys.readouterr().err


def alert(name: str, severity: str, fired_ms: int = NOW_MS, service: str = "shop") -> Alert:
    labels = Labels.of(alertname=name, severity=severity, service=service)
    return Alert(labels, {}, AlertState.FIRING, 1.0, fired_ms, fired_ms)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (lambda: alert("Lost", "critical"), "Lost"),
        (lambda: alert("Slow", "warning"), ""),
        (lambda: alert("Lost", "critical", NOW_MS - MINUTE), ""),
        (lambda: alert("Lost", "critical", service="mail"), ""),
    ],
)
def test_only_a_graver_alert_of_the_same_service_that_began_since_is_worse(
    other: Callable[[], Alert], expected: str
) -> None:
    mine = alert("Down", "warning", NOW_MS - 2 * MINUTE)
    assert worse([mine, other()], mine, NOW_MS - 1000) == expected


def test_the_mark_of_a_deploy_is_read_by_its_time(tmp_path: Path) -> None:
    mark = tmp_path / "deployed"
    assert deployed_ms(mark) == 0
    mark.touch()
    os.utime(mark, (1_700_000_000, 1_700_000_000))
    assert deployed_ms(mark) == NOW_MS
