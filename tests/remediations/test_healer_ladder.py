"""A healer and its ladder: what would have been is written down, harm takes a playbook down at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Healing, Outcome
from model.step import HumanAct
from remediations.ladder.ladder import Demotion, Rung
from remediations.ladder.proposal import Kind, Proposal
from remediations.ladder.rungs import every_rung
from remediations.question import LATER_MS
from remediations.running.journal import Journal, JournalLost
from remediations.writing.playbook import Mode, Name, Playbook
from tests.remediations import stage
from tests.remediations.stage import BARE, Play, play, wall_ms

MINUTE_MS = 60_000
VERIFY = "{within: 1m}"
QUICK = "{within: 2s, hold: 100ms}"
WIDE = "{cooldown: 0s, at_most: 100 per 1h}"


def below(mode: str, steps: str = "- command: {argv: ['true']}", **rest: str) -> Playbook:
    return stage.playbook(steps, mode=mode, verify=VERIFY, **rest)


def fires(game: Play, at_ms: int) -> None:
    game.healer.consider(stage.alert(fired_ms=at_ms), at_ms)
    game.healer.tick(at_ms)


def ends(game: Play, fired_ms: int, at_ms: int) -> None:
    alert = replace(stage.alert(state=AlertState.RESOLVED, fired_ms=fired_ms), resolved_at_ms=at_ms)
    game.healer.consider(alert, at_ms)
    game.healer.tick(at_ms)


def written(game: Play) -> tuple[Proposal, ...]:
    return game.journal.proposals("heal-shop", 0)


def rung(game: Play, now_ms: int) -> Rung:
    [found] = game.healer.rungs.each(now_ms)
    return found


def test_who_observes_is_silent_and_writes_down_that_the_trouble_passed_by_itself(tmp_path: Path) -> None:
    mark, now_ms = tmp_path / "mark", wall_ms() + 1000
    with play(tmp_path, below("observe", f"- command: {{argv: [touch, {mark}]}}")) as game:
        fires(game, now_ms)
        assert (game.remedy().status, game.remedy().escalate) == (Healing.NONE, True)
        [one] = written(game)
        assert (one.kind, one.would_ms, one.steps) == (Kind.OPEN, now_ms, (f"run touch {mark}",))
        ends(game, now_ms, now_ms + 42_000)
        [one] = written(game)
        assert (one.kind, one.lasted_ms) == (Kind.NEEDLESS, 42_000)
        assert game.healer.tally.proposals == {("heal-shop", "needless"): 1}
        assert game.journal.recent(0) == ()
        assert not mark.exists()


def test_trouble_that_outlasts_the_playbook_makes_a_clean_proposal_while_it_still_lasts(
    tmp_path: Path,
) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:
        fires(game, now_ms)
        assert game.healer.next_due_ms() == now_ms + MINUTE_MS + 1
        game.healer.tick(now_ms + MINUTE_MS)
        assert [one.kind for one in written(game)] == [Kind.OPEN]
        game.healer.tick(now_ms + MINUTE_MS + 1)
        assert [one.kind for one in written(game)] == [Kind.CLEAN]
        assert game.healer.next_due_ms() is None
        ends(game, now_ms, now_ms + 20 * MINUTE_MS)
        [one] = written(game)
        assert (one.kind, one.lasted_ms) == (Kind.CLEAN, 20 * MINUTE_MS)


def test_what_cannot_be_seen_is_not_known_to_have_outlasted_anything(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:
        fires(game, now_ms)
        game.healer.consider(stage.alert(fired_ms=now_ms, unknown_ms=now_ms + 1), now_ms + 1)
        assert game.healer.next_due_ms() is None
        game.healer.tick(now_ms + 5 * MINUTE_MS)
        assert [one.kind for one in written(game)] == [Kind.OPEN]
        fires(game, now_ms)
        game.healer.tick(now_ms + 5 * MINUTE_MS)
        assert [one.kind for one in written(game)] == [Kind.CLEAN]


def test_guards_are_asked_again_as_in_auto_and_what_they_refuse_to_the_end_is_blocked(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:
        game.switch.set("ada", "moving", now_ms)
        fires(game, now_ms)
        ends(game, now_ms, now_ms + 5_000)
        [one] = written(game)
        assert (one.kind, one.guard, one.reason) == (Kind.BLOCKED, "kill_switch", "stopped by ada: moving")
        fires(game, now_ms + 10_000)
        game.switch.lift()
        game.healer.tick(now_ms + 13_000)
        ends(game, now_ms + 10_000, now_ms + 14_000)
        assert [(one.kind, one.would_ms) for one in written(game)] == [
            (Kind.BLOCKED, 0),
            (Kind.NEEDLESS, now_ms + 13_000),
        ]


def test_runs_that_would_have_been_use_up_the_cooldown(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:
        fires(game, now_ms)
        ends(game, now_ms, now_ms + 2 * MINUTE_MS)
        fires(game, now_ms + 3 * MINUTE_MS)
        ends(game, now_ms + 3 * MINUTE_MS, now_ms + 4 * MINUTE_MS)
        assert [(one.kind, one.guard) for one in written(game)] == [
            (Kind.CLEAN, ""),
            (Kind.BLOCKED, "cooldown"),
        ]


def test_the_host_is_asked_what_humans_want_and_the_desk_is_asked_nothing(tmp_path: Path) -> None:
    act: list[HumanAct | None] = [HumanAct("apt is at work on this host", passing=True)]
    asked: list[str] = []

    def leased(playbook: Playbook, _alert: Alert) -> str:
        asked.append(playbook.playbook)
        return ""

    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:
        shadows = game.healer._shadows
        shadows.around = replace(game.healer._around, at_work=lambda: act[0], lease=leased)
        fires(game, now_ms)
        game.until(lambda: [one.guard for one in written(game)] == ["at_work"])
        act[0] = None
        game.healer.tick(wall_ms() + LATER_MS + 2000)
        game.until(lambda: [one.would_ms > 0 for one in written(game)] == [True])
        assert asked == []


def test_who_observes_stands_in_nobodys_way_and_is_overtaken_by_who_acts(tmp_path: Path) -> None:
    first = below("observe")
    second = replace(stage.playbook("- command: {argv: ['true']}", verify=QUICK), playbook=Name("second"))
    with play(tmp_path, first, second) as game:
        now_ms = wall_ms()
        game.healer.consider(stage.alert(fired_ms=now_ms), now_ms)
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        ends(game, now_ms, wall_ms())
        assert [run.playbook for run in game.journal.recent(0)] == ["second"]
        assert [one.kind for one in written(game)] == [Kind.OVERTAKEN]


def test_a_proposal_is_told_with_what_speaks_against_it_and_with_the_promotion_it_has_earned(
    tmp_path: Path,
) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("propose", guard=WIDE, rest="promote_after: 2\n")) as game:
        for number in range(20):
            at_ms = now_ms + number * 10 * MINUTE_MS
            fires(game, at_ms)
            assert game.remedy().status is Healing.PROPOSED
            assert game.remedy().reason == "heal-shop only proposes; it would run true"
            ends(game, at_ms, at_ms + 5 * MINUTE_MS)
        later_ms = now_ms + 200 * MINUTE_MS
        fires(game, later_ms)
        assert game.remedy().reason == (
            "heal-shop only proposes; it would run true;"
            " heal-shop has proposed well 20 times in a row; promotion to approve is suggested"
        )
        ends(game, later_ms, later_ms + 1)
        assert rung(game, later_ms).suggestion.mode is None, "the last one was needless"
        game.switch.set("ada", "moving", later_ms)
        fires(game, later_ms + MINUTE_MS)
        game.healer.tick(later_ms + MINUTE_MS)
        assert "; now it would not act, because stopped by ada: moving; it would" in game.remedy().reason
        game.switch.lift()
        game.healer.tick(later_ms + 2 * MINUTE_MS)
        assert game.remedy().reason == "heal-shop only proposes; it would run true"


def test_evidence_begins_anew_with_another_edition_and_on_another_rung(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("observe")) as game:

        def counted(playbook: Playbook) -> int:
            game.healer.use([playbook])
            return len(rung(game, now_ms + 30 * MINUTE_MS).evidence.proposals)

        fires(game, now_ms)
        ends(game, now_ms, now_ms + 2 * MINUTE_MS)
        assert counted(below("observe", rest="promote_after: 9\n")) == 1
        game.healer._around = replace(game.healer._around, now=lambda: now_ms + 20 * MINUTE_MS)
        assert counted(below("observe")) == 1, "nothing changed"
        assert counted(below("propose")) == 0
        assert counted(below("observe", "- command: {argv: ['false']}")) == 0
        assert counted(below("observe")) == 0, "what was changed back was changed"


def test_what_a_restart_cut_short_proves_nothing(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("propose")) as game:
        fires(game, now_ms)
    with play(tmp_path, below("propose")) as game:
        game.healer.recover(now_ms + 1)
        fires(game, now_ms)
        assert game.remedy().status is Healing.PROPOSED
        game.healer.tick(now_ms + 10 * MINUTE_MS)
        ends(game, now_ms, now_ms + 11 * MINUTE_MS)
        assert [(one.kind, one.ended_ms) for one in written(game)] == [(Kind.OPEN, 0)]
        fires(game, now_ms + 20 * MINUTE_MS)
        ends(game, now_ms + 20 * MINUTE_MS, now_ms + 25 * MINUTE_MS)
        [_, one] = written(game)
        assert one.kind is Kind.CLEAN
        assert len(rung(game, now_ms + 30 * MINUTE_MS).evidence.proposals) == 2, "the rung is still the same"


def harmed(game: Play) -> None:
    """Let a run do harm."""
    worse = ["Lost"]
    game.gone[0] = lambda: False
    game.healer._around = replace(game.healer._around, worse=lambda _alert, _since_ms: worse[0])
    game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
    game.until(lambda: game.remedy().status is Outcome.HARMFUL)
    worse[0] = ""


def test_harm_demotes_at_once_is_told_audited_and_outlives_a_restart(tmp_path: Path) -> None:
    playbook = stage.playbook(verify=QUICK, guard=WIDE, rest="otherwise: nothing\n")
    other = Labels.of(alertname="ShopDown", instance="web2")
    with play(tmp_path, playbook) as game:
        harmed(game)
        assert "from now on it only proposes, until `beforehand reinstate`" in game.remedy().reason
        assert game.remedy().escalate, "somebody hears of harm, whatever the playbook says"
        stands = rung(game, wall_ms())
        assert (stands.written, stands.in_force) == (Mode.AUTO, Mode.PROPOSE)
        assert "it is demoted: Lost began to fire after heal-shop had acted" in stands.suggestion.reason
        game.healer.consider(stage.alert(other, fired_ms=wall_ms()), wall_ms())
        assert game.remedy(other).status is Healing.PROPOSED
        assert game.remedy(other).reason.startswith("heal-shop only proposes, because it is demoted; now it")
    with play(tmp_path, playbook) as game:
        game.healer.recover(wall_ms())
        game.healer.consider(stage.alert(other, fired_ms=wall_ms()), wall_ms())
        assert game.remedy(other).status is Healing.PROPOSED
        assert [entry.what for entry in game.journal.audit()].count("demotion") == 1


def test_a_reinstated_playbook_acts_again_within_a_second(tmp_path: Path) -> None:
    playbook = stage.playbook(verify=QUICK, guard="{cooldown: 0s, breaker: {cooldown: 1s}}")
    again = Labels.of(alertname="ShopDown", instance="web2")
    with play(tmp_path, playbook) as game:
        harmed(game)
        game.healer.consider(stage.alert(again, fired_ms=wall_ms()), wall_ms())
        assert game.remedy(again).status is Healing.PROPOSED
        person = Journal(tmp_path / "runs.db")
        person.reinstate(person.demotions()["heal-shop"], "ada", "it was the network", wall_ms())
        person.close()
        game.until(lambda: game.remedy(again).status is not Healing.PROPOSED)
        assert rung(game, wall_ms()).in_force is Mode.AUTO
        [entry] = [entry for entry in game.journal.audit() if entry.what == "reinstatement"]
        assert '"by":"ada"' in entry.fact


def test_the_next_playbook_has_its_turn_when_the_first_was_demoted(tmp_path: Path) -> None:
    first = stage.playbook(verify=QUICK)
    second = replace(stage.playbook("- command: {argv: [touch, x]}", verify=QUICK), playbook=Name("second"))
    with play(tmp_path, first, second) as game:
        game.journal.demote(Demotion("heal-shop", "run-1", wall_ms(), "Lost began to fire"))
        game.healer.tick(wall_ms() + 2000)
        game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert [run.playbook for run in game.journal.recent(0)] == ["second"]


@pytest.mark.parametrize("outcome", [Outcome.INEFFECTIVE, Outcome.RECURRED, Outcome.FAILED])
def test_what_only_did_not_help_demotes_nobody(tmp_path: Path, outcome: Outcome) -> None:
    steps = "- command: {argv: ['false']}" if outcome is Outcome.FAILED else "- command: {argv: ['true']}"
    with play(tmp_path, stage.playbook(steps, verify="{within: 1s, hold: 0s}")) as game:
        game.gone[0] = lambda: outcome is Outcome.RECURRED
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status in (Outcome.FIXED, outcome))
        fires(game, stage.NOW_MS + MINUTE_MS)
        assert game.journal.recent(0)[0].outcome is outcome
        assert rung(game, wall_ms()).in_force is Mode.AUTO


def test_harm_holds_a_playbook_back_although_the_journal_is_lost_and_is_written_when_it_is_back(
    tmp_path: Path,
) -> None:
    with play(tmp_path, stage.playbook(verify=QUICK, guard=WIDE)) as game:
        game.journal._connection.execute("ALTER TABLE demotions RENAME TO away")
        harmed(game)
        [found] = game.healer.rungs.playbooks
        assert found.mode is Mode.PROPOSE
        game.journal._connection.execute("ALTER TABLE away RENAME TO demotions")
        game.until(lambda: "heal-shop" in game.journal.demotions())
        assert game.healer.rungs.playbooks[0].mode is Mode.PROPOSE


def test_without_its_journal_nothing_is_shown_and_nothing_breaks(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("propose")) as game:
        for table in ("proposals", "rungs"):
            game.journal._connection.execute(f"DROP TABLE {table}")
        fires(game, now_ms)
        assert game.remedy().reason == "heal-shop only proposes; it would run true"
        game.healer.use([below("observe")])
        ends(game, now_ms, now_ms + 1)
        with pytest.raises(JournalLost):
            rung(game, now_ms)


def test_a_playbook_that_only_looks_acts_on_every_rung(tmp_path: Path) -> None:
    looks = stage.playbook("- collect: [memory]", mode="observe", verify="{}")
    with play(tmp_path, looks) as game:
        game.healer.consider(stage.alert(), wall_ms())
        assert "it changes nothing" in game.closed().reason
        assert len(game.journal.recent(0)) == 1
        assert written(game) == ()


def test_the_command_line_reads_the_same_rungs_from_the_journal(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    playbook = below("observe")
    with play(tmp_path, playbook) as game:
        fires(game, now_ms)
        ends(game, now_ms, now_ms + 2 * MINUTE_MS)
        later_ms = now_ms + 3 * MINUTE_MS
        assert list(every_rung([playbook], game.journal, BARE, later_ms)) == [rung(game, later_ms)]
        [fresh] = every_rung([below("propose")], game.journal, BARE, later_ms)
        assert fresh.evidence.proposals == ()


def test_an_approved_run_that_completes_the_proof_says_so(tmp_path: Path) -> None:
    with play(tmp_path, stage.playbook(mode="approve", verify=QUICK, rest="promote_after: 1\n")) as game:
        # Nobody can be asked here, so the run of somebody who was asked is put into the healer's hands.
        game.healer.consider(stage.alert(fired_ms=wall_ms()), wall_ms())
        [case] = game.healer._cases.values()
        [playbook] = game.healer.rungs.playbooks
        case.approved = True
        game.healer._start(case, playbook, wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert game.remedy().reason.endswith(
            "; heal-shop has helped once with approval; promotion to auto is suggested"
        )
        assert "suggested" not in game.journal.recent(0)[0].reason


def test_a_storm_of_alerts_is_written_down_at_once(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    with play(tmp_path, below("propose", guard=WIDE)) as game:
        statements: list[str] = []
        game.journal._connection.set_trace_callback(statements.append)
        for number in range(50):
            labels = Labels.of(alertname="ShopDown", instance=f"web{number}")
            game.healer.consider(stage.alert(labels, fired_ms=now_ms), now_ms)
        game.healer.tick(now_ms)
        game.journal._connection.set_trace_callback(None)
        assert len(written(game)) == 50
        assert statements.count("COMMIT") == 1


def test_that_a_person_must_agree_anyway_blocks_no_proposal(tmp_path: Path) -> None:
    now_ms = wall_ms() + 1000
    irreversible = "- remove_old: {roots: [/srv/spool], patterns: ['*'], age: 1d}"
    with play(tmp_path, below("observe", irreversible)) as game:
        fires(game, now_ms)
        assert [(one.guard, one.would_ms) for one in written(game)] == [("", now_ms)]
