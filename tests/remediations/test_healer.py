from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from model.alert import AlertState
from model.labels import Labels
from model.outcome import Healing, Outcome
from model.step import Host
from remediations.breaker import State
from remediations.running.journal import Journal
from remediations.running.run import Stage
from remediations.telling import PASSING_MAX_MS
from remediations.writing.playbook import Name
from tests.remediations import stage
from tests.remediations.daemon import Daemon
from tests.remediations.stage import LABELS, play, wall_ms

QUICK = "{within: 2s, hold: 100ms}"
WIDE = "{cooldown: 0s, at_most: 100 per 1h}"
STUBBORN = "{cooldown: 0s, breaker: {ineffective: 1}}"
SHORT = "{within: 1s, hold: 0s}"


def test_a_killed_daemon_is_started_again_and_the_run_is_closed_by_its_effect(
    tmp_path: Path, daemon: Daemon
) -> None:
    killed = daemon.kill()
    with play(tmp_path, stage.playbook(daemon.step(), verify=QUICK)) as game:
        game.gone[0] = daemon.answers
        game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
        remedy = game.closed()
        assert remedy.status is Outcome.FIXED, remedy
        assert daemon.answers()
        assert daemon.pid != killed
        times = (remedy.onset_ms, remedy.acted_ms, remedy.healed_ms, remedy.verified_ms)
        assert list(times) == sorted(times)
        assert [one.status for one in game.told] == [Healing.ACTING, Healing.VERIFYING] + [
            Healing.VERIFYING
        ] * (len(game.told) - 3) + [Outcome.FIXED]
        assert game.asked, "fresh samples were asked for"
        steps = game.journal.steps(remedy.run)
        assert [record.result is not None and record.result.ok for record in steps] == [True, True]


def test_a_frozen_daemon_is_killed_and_started_again(tmp_path: Path, daemon: Daemon) -> None:
    frozen = daemon.kill(signal.SIGSTOP)
    with play(tmp_path, stage.playbook(daemon.step(), verify=QUICK)) as game:
        game.gone[0] = lambda: daemon.pid != frozen and daemon.answers()
        game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
        assert game.closed().status is Outcome.FIXED


def test_a_daemon_that_starts_fine_and_stays_broken_is_not_called_fixed(
    tmp_path: Path, daemon: Daemon
) -> None:
    daemon.kill()
    daemon.broken.touch()
    with play(tmp_path, stage.playbook(daemon.step(), verify="{within: 1s, hold: 100ms}")) as game:
        game.gone[0] = daemon.answers
        game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
        remedy = game.closed()
        assert (remedy.status, remedy.escalate) == (Outcome.INEFFECTIVE, True)
        assert "still there" in remedy.reason
        [run] = game.journal.recent(0)
        assert run.outcome is Outcome.INEFFECTIVE


def test_a_failed_step_ends_the_steps_and_calls_somebody_before_the_wait_is_over(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps = f"- command: {{argv: ['false']}}\n- command: {{argv: [touch, {mark}]}}"
    with play(tmp_path, stage.playbook(steps, verify="{within: 1s, hold: 0s}")) as game:
        game.gone[0] = lambda: False
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Healing.VERIFYING)
        assert game.remedy().escalate
        assert "step 1 (run false) failed: it ended with exit code 1" in game.remedy().reason
        assert game.closed().status is Outcome.FAILED
        assert not mark.exists()


def test_a_clean_stop_by_a_human_is_not_fought_and_handed_back_by_a_start(
    tmp_path: Path, daemon: Daemon
) -> None:
    daemon.kill(signal.SIGTERM)
    with play(tmp_path, stage.playbook(daemon.step(), guard=WIDE, verify=QUICK)) as game:
        game.gone[0] = daemon.answers
        game.healer.consider(stage.alert(), wall_ms())
        remedy = game.closed()
        assert remedy.status is Outcome.SKIPPED
        assert remedy.reason.startswith("a human stopped shopd on purpose (its pid file is gone)")
        assert not daemon.answers()
        assert game.journal.recent(0) == ()
        daemon.start()
        daemon.kill()
        game.healer.consider(stage.alert(fired_ms=stage.NOW_MS + 1), wall_ms())
        assert game.closed().status is Outcome.FIXED


def test_the_kill_switch_ends_a_run_in_mid_step_within_a_second(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps = f"- command: {{argv: [sleep, '60']}}\n- command: {{argv: [touch, {mark}]}}"
    with play(tmp_path, stage.playbook(steps, guard=WIDE)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: any(game.journal.steps(run.id) for run in game.journal.recent(0)))
        game.switch.set("ada", "moving", wall_ms())
        took_s = game.until(lambda: game.remedy().status is Outcome.FAILED)
        assert took_s < 2.0  # one second, and one for a busy machine
        assert (game.remedy().reason, game.remedy().escalate) == ("stopped by ada: moving", True)
        game.healer.tick(wall_ms() + 5000)
        assert len(game.journal.recent(0)) == 1
        assert not mark.exists()


def test_under_the_kill_switch_nothing_begins_until_it_is_lifted(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.switch.set("ada", "moving", wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        assert game.remedy().reason == "stopped by ada: moving"
        assert game.remedy().escalate
        game.switch.lift()
        game.until(lambda: game.remedy().status is Outcome.FIXED)


def test_an_alert_that_no_playbook_answers_to_is_escalated_with_its_reason(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook()) as game:
        labels = Labels.of(alertname="Other")
        game.healer.consider(stage.alert(labels), wall_ms())
        remedy = game.remedy(labels)
        assert (remedy.status, remedy.reason, remedy.escalate) == (
            Healing.NONE,
            "no playbook answers to Other",
            True,
        )


def test_a_playbook_that_proposes_only_says_what_it_would_do(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with play(tmp_path, stage.playbook(f"- command: {{argv: [touch, {mark}]}}", mode="propose")) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.healer.tick(wall_ms())
        assert game.remedy().status is Healing.PROPOSED
        assert f"it would run touch {mark}" in game.remedy().reason
        assert not mark.exists()


def test_two_alerts_about_one_target_make_one_run_at_a_time(tmp_path: Path) -> None:
    other = Labels.of(alertname="ShopDown", instance="web2")
    with play(
        tmp_path, stage.playbook("- command: {argv: [sleep, '0.2']}", guard=WIDE, verify=QUICK)
    ) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.healer.consider(stage.alert(other), wall_ms())
        assert game.remedy(other).reason == "heal-shop works on command:sleep already"
        assert not game.remedy(other).escalate
        game.until(lambda: game.remedy(other).status is Outcome.FIXED)
        first, second = game.journal.recent(0)
        assert second.started_ms >= first.ended_ms


def test_a_fix_that_does_not_last_is_recurred_and_the_guards_are_asked_again(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        first = game.closed()
        assert first.status is Outcome.FIXED
        game.healer.consider(stage.alert(state=AlertState.RESOLVED), wall_ms())
        game.healer.consider(stage.alert(fired_ms=stage.NOW_MS + 60_000), wall_ms() + 60_000)
        remedy = game.remedy()
        assert (remedy.status, remedy.run, remedy.escalate) == (Outcome.RECURRED, first.run, True)
        assert "after heal-shop had helped; heal-shop is cooling down until" in remedy.reason
        [run] = game.journal.recent(0)
        assert run.outcome is Outcome.RECURRED


def test_the_guards_are_asked_again_when_the_cooldown_is_over(tmp_path: Path) -> None:
    guard = "{cooldown: 1s, at_most: 2 per 1h}"
    with play(tmp_path, stage.playbook(guard=guard, verify="{within: 1s, hold: 0s}")) as game:
        game.gone[0] = lambda: False
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: [run.outcome for run in game.journal.recent(0)] == [Outcome.INEFFECTIVE] * 2)
        assert game.remedy().escalate
        game.healer.tick(wall_ms() + 60_000)
        assert len(game.journal.recent(0)) == 2
        due = game.healer.next_due_ms()
        assert due is not None
        assert due > wall_ms() + 3_000_000


def test_an_alert_that_resolves_before_anything_is_changed_spares_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = threading.Event()
    monkeypatch.setattr("remediations.evidence.sight", lambda _what: str(resolved.wait(10)))
    mark = tmp_path / "mark"
    with play(tmp_path, stage.playbook(f"- collect: [memory]\n- command: {{argv: [touch, {mark}]}}")) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.healer.consider(stage.alert(state=AlertState.RESOLVED), wall_ms())
        resolved.set()
        remedy = game.closed()
        assert (remedy.status, remedy.escalate) == (Outcome.SKIPPED, False)
        assert remedy.reason == "the alert resolved by itself before anything was changed"
        assert not mark.exists()


def test_what_cannot_be_planned_here_is_said_and_escalated(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook("- service: {name: nginx, state: restarted}")) as game:
        game.healer.consider(stage.alert(), wall_ms())
        assert game.remedy().status is Outcome.SKIPPED
        assert "systemd does not run here" in game.remedy().reason
        assert game.remedy().escalate


def test_an_unseen_alert_is_acted_upon_as_soon_as_it_is_seen_again(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.healer.consider(stage.alert(unknown_ms=stage.NOW_MS), wall_ms())
        assert "cannot be seen" in game.remedy().reason
        game.healer.tick(wall_ms())
        assert game.journal.recent(0) == ()
        game.healer.consider(stage.alert(), wall_ms())
        assert game.closed().status is Outcome.FIXED


def test_evidence_alone_changes_nothing_and_is_not_gathered_over_and_over(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook("- collect: [memory]", verify="{}", guard=WIDE)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status not in (Healing.ACTING, Healing.VERIFYING))
        game.healer.tick(wall_ms() + 1000)
        assert len(game.journal.recent(0)) == 1


def test_without_its_journal_nothing_acts(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with play(tmp_path, stage.playbook(f"- command: {{argv: [touch, {mark}]}}")) as game:
        game.journal._connection.execute("DROP TABLE steps")
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FAILED)
        assert "the journal cannot be written" in game.remedy().reason
        game.journal._connection.execute("DROP TABLE runs")
        other = Labels.of(alertname="ShopDown", instance="web2")
        game.gone[0] = lambda: True
        game.healer.consider(stage.alert(other), wall_ms())
        assert "the journal cannot be read" in game.remedy(other).reason
        assert not mark.exists()


def test_a_bug_in_a_worker_closes_its_run_and_is_raised_on_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with play(tmp_path, stage.playbook()) as game:
        monkeypatch.setattr("remediations.healer.carry", broken)
        game.healer.consider(stage.alert(), wall_ms())
        assert game.woken.wait(5)
        with pytest.raises(ZeroDivisionError):
            game.until(lambda: False)
        assert game.remedy().status is Outcome.FAILED
        assert game.journal.unfinished() == ()


def test_a_run_that_an_agent_leaves_is_taken_up_by_the_next_without_repeating_a_step(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho x >>{counted}\nexec sleep 30\n")
    program.chmod(0o755)
    playbook = stage.playbook(f"- command: {{argv: [{program}]}}", verify=QUICK)
    with play(tmp_path, playbook) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(counted.exists)
        game.switch.set("test", "an end without waiting 5 s", wall_ms())
    (tmp_path / "STOP").unlink()
    with play(tmp_path, playbook) as game:
        game.healer.recover(wall_ms())
        assert game.remedy().status is Healing.VERIFYING
        assert "its steps are not repeated" in game.remedy().reason
        game.healer.consider(stage.alert(), wall_ms())
        assert game.closed().status is Outcome.FIXED
        assert counted.read_text() == "x\n"


def test_the_history_of_a_restarted_agent_still_cools_down(tmp_path: Path) -> None:
    playbook = stage.playbook(verify=QUICK)
    with play(tmp_path, playbook) as game:
        game.healer.consider(stage.alert(), wall_ms())
        assert game.closed().status is Outcome.FIXED
    with play(tmp_path, playbook) as game:
        game.healer.recover(wall_ms())
        assert game.remedy().status is Outcome.FIXED
        game.healer.consider(stage.alert(fired_ms=stage.NOW_MS + 5000), wall_ms())
        assert game.remedy().status is Outcome.RECURRED
        assert "cooling down" in game.remedy().reason


def test_a_run_whose_playbook_is_gone_is_closed_and_escalated(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook("- command: {argv: [sleep, '0.1']}")) as game:
        game.healer.consider(stage.alert(), wall_ms())
        [run] = game.journal.unfinished()
        game.until(lambda: bool(game.journal.steps(run.id)))
    with play(tmp_path) as game:
        game.healer.recover(wall_ms())
        remedy = game.remedy()
        assert (remedy.status, remedy.escalate) == (Outcome.FAILED, True)
        assert remedy.reason.endswith("its playbook is gone")
        assert game.journal.unfinished() == ()


def test_playbooks_can_be_changed_while_it_runs(tmp_path: Path) -> None:
    with play(tmp_path) as game:
        game.healer.consider(stage.alert(), wall_ms())
        assert game.remedy().status is Healing.NONE
        game.healer.use([stage.playbook(verify=QUICK)])
        game.healer.consider(stage.alert(fired_ms=stage.NOW_MS + 1), wall_ms())
        assert game.closed().status is Outcome.FIXED


def test_a_case_is_forgotten_long_after_its_alert(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.closed()
        game.healer.consider(stage.alert(state=AlertState.RESOLVED), wall_ms())
        game.healer.tick(wall_ms() + 3_600_000)
        assert game.remedy().status is Outcome.FIXED
        game.healer.tick(wall_ms() + 3 * 3_600_000)
        assert game.remedy().status is Healing.NONE


SYSTEMCTL = """#!/bin/sh
# Plays systemctl for one unit: its properties stand in a file, and what it was asked in another.
echo "$@" >>{folder}/asked
case $1 in
show) cat {folder}/unit ;;
restart) printf 'ActiveState=active\\nSubState=running\\nResult=success\\n' >{folder}/unit ;;
esac
"""


def systemctl(folder: Path, unit: str) -> Host:
    program = folder / "systemctl"
    program.write_text(SYSTEMCTL.format(folder=folder))
    program.chmod(0o755)
    (folder / "unit").write_text(unit)
    return Host(has_systemd=True, systemctl=str(program))


NGINX = "- service: {name: nginx, state: restarted}"


def test_a_unit_that_crashed_is_restarted_through_systemd(tmp_path: Path) -> None:
    host = systemctl(tmp_path, "LoadState=loaded\nActiveState=failed\nResult=signal\n")
    with play(tmp_path, stage.playbook(NGINX, verify=QUICK), host=host) as game:
        game.gone[0] = lambda: "active" in (tmp_path / "unit").read_text()
        game.healer.consider(stage.alert(), wall_ms())
        assert game.closed().status is Outcome.FIXED
    asked = (tmp_path / "asked").read_text().split("\n")
    assert [line.split()[0] for line in asked if line] == ["show", "reset-failed", "restart"]


@pytest.mark.parametrize(
    "unit",
    ["ActiveState=inactive\nResult=success\n", "ActiveState=inactive\nUnitFileState=masked\nResult=signal\n"],
)
def test_a_unit_that_a_human_stopped_is_left_stopped(tmp_path: Path, unit: str) -> None:
    host = systemctl(tmp_path, unit)
    with play(tmp_path, stage.playbook(NGINX), host=host) as game:
        game.healer.consider(stage.alert(), wall_ms())
        remedy = game.closed()
        assert remedy.status is Outcome.SKIPPED
        assert "human" in remedy.reason
    assert "restart" not in (tmp_path / "asked").read_text()


def test_a_unit_on_its_way_is_waited_for_without_calling_anybody(tmp_path: Path) -> None:
    host = systemctl(tmp_path, "ActiveState=activating\nSubState=auto-restart\n")
    with play(tmp_path, stage.playbook(NGINX), host=host) as game:
        game.healer.consider(stage.alert(), wall_ms())
        remedy = game.closed()
        assert (remedy.status, remedy.escalate) == (Outcome.SKIPPED, False)
        assert remedy.reason == "nginx is activating already (auto-restart)"


def test_every_remedy_is_said_in_annotations_that_the_desk_can_read(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        remedy = game.closed()
        assert type(remedy).of(json.loads(json.dumps(remedy.annotations()))) == remedy


def test_the_loop_is_not_kept_busy_by_a_run_that_waits(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify="{within: 60s, hold: 30s}")) as game:
        game.gone[0] = lambda: None
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Healing.VERIFYING)
        now_ms, ticks = wall_ms(), 0
        while now_ms < wall_ms() + 60_000 and ticks < 1000:
            due = game.healer.next_due_ms()
            assert due is not None
            now_ms, ticks = max(now_ms + 1, due), ticks + 1
            game.healer.tick(now_ms)
        assert ticks < 40


def test_a_journal_opened_by_the_command_line_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        reader = Journal(tmp_path / "runs.db")
        assert reader.recent(0)
        reader.close()
        assert game.closed().status is Outcome.FIXED
        assert all(run.stage is Stage.CLOSED for run in game.journal.recent(0))
        assert game.journal.recent(0)[0].labels == LABELS


def test_the_next_playbook_is_tried_when_the_first_is_out_for_long(tmp_path: Path) -> None:
    first = stage.playbook("- command: {argv: ['true']}", guard=STUBBORN, verify=SHORT)
    second = replace(stage.playbook("- command: {argv: [touch, x]}", verify=QUICK), playbook=Name("second"))
    with play(tmp_path, first, second) as game:
        game.gone[0] = lambda: any(run.playbook == "second" for run in game.journal.recent(0))
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert [run.playbook for run in game.journal.recent(0)] == ["heal-shop", "second"]
        assert game.remedy().playbook == "second"


def test_when_all_are_out_the_reason_tells_of_each_and_of_the_attempts(tmp_path: Path) -> None:
    first = stage.playbook("- command: {argv: ['true']}", guard=STUBBORN, verify=SHORT)
    second = replace(first, playbook=Name("second"))
    with play(tmp_path, first, second) as game:
        game.gone[0] = lambda: False
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: "second is stopped until" in game.remedy().reason)
        assert "heal-shop is stopped until" in game.remedy().reason
        assert "because it did not help (" in game.remedy().reason
        assert "ineffective)" in game.remedy().reason
        assert game.healer.breakers(wall_ms()) == {"heal-shop": State.OPEN, "second": State.OPEN}
        assert game.healer.tally.runs == {("heal-shop", "ineffective"): 1, ("second", "ineffective"): 1}


def test_somebody_is_called_once_for_an_episode_and_stays_called(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(guard=WIDE, verify=QUICK)) as game:
        game.switch.set("ada", "moving", wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        assert game.remedy().escalate
        game.healer.consider(stage.alert(unknown_ms=stage.NOW_MS), wall_ms())
        game.switch.lift()
        game.until(lambda: "cannot be seen" in game.remedy().reason)
        assert game.remedy().escalate, "a refusal that should pass does not take the call back"
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert not game.remedy().escalate


def test_what_should_pass_calls_somebody_when_it_lasts(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook()) as game:
        now_ms = wall_ms()
        game.healer.consider(stage.alert(unknown_ms=stage.NOW_MS), now_ms)
        assert not game.remedy().escalate
        game.healer.tick(now_ms + PASSING_MAX_MS - 1)
        assert not game.remedy().escalate
        game.healer.tick(now_ms + PASSING_MAX_MS + 60_000)
        assert game.remedy().escalate


def test_the_kill_switch_ends_a_run_that_pauses_between_attempts(tmp_path: Path) -> None:
    steps = "- command: {argv: ['false']}\n  retries: 3\n  delay: 60s"
    with play(tmp_path, stage.playbook(steps)) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: any(game.journal.steps(run.id) for run in game.journal.recent(0)))
        game.switch.set("ada", "moving", wall_ms())
        took_s = game.until(lambda: game.remedy().status is Outcome.FAILED)
        assert took_s < 3.0  # one second, and two for a busy machine
