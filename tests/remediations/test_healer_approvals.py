"""From an alert to an ask, to what people answer, to the run or to none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from model.alert import Alert, AlertState
from model.grant import Grant, genuine, sealed
from model.labels import Labels
from model.outcome import Healing, Outcome
from model.step import HumanAct
from remediations.asking.approval import Ask
from remediations.asking.asked import Ended
from remediations.hand import Hand
from remediations.question import Sight
from remediations.running.audit import first_break
from remediations.surroundings import People
from remediations.writing.playbook import Name, Playbook
from tests.remediations import stage
from tests.remediations.stage import LABELS, Play, play, wall_ms

KEY = bytes(32)
QUICK = "{within: 2s, hold: 0s}"
SHORT = "{within: 1s, hold: 0s}"
SECOND = 1000
WITHIN = 900 * SECOND


@dataclass
class Crowd:
    """People who are asked, what they brought, and the key that seals it."""

    brought: list[Grant] = field(default_factory=list)
    count: itertools.count[int] = field(default_factory=itertools.count)
    key: bytes = KEY

    def people(self) -> People:
        """Return them as the healer knows them."""
        return People("web1", lambda: f"{next(self.count):032x}", lambda: self.brought, self._believed)

    def _believed(self, grant: Grant) -> bool:
        return genuine(grant, self.key)

    def say(self, game: Play, by: str, *, yes: bool = True) -> None:
        """Answer what is asked, with the right key."""
        self.brought.append(sealed(asked(game).answer(by, wall_ms(), yes=yes), self.key))


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def asked(game: Play) -> Ask:
    ask = game.healer.ask(LABELS)
    assert ask is not None, game.remedy()
    return ask


def touching(mark: Path, *, mode: str = "approve", guard: str = "{}", verify: str = QUICK) -> Playbook:
    return stage.playbook(f"- command: {{argv: [touch, {mark}]}}", mode=mode, guard=guard, verify=verify)


def ended(game: Play) -> list[Ended | None]:
    return [one.ended for one in game.journal.asks()]


def approvals(game: Play) -> list[str]:
    """Return what the audit chain tells of approvals; the chain is whole."""
    entries = game.journal.audit()
    assert first_break(entries) == ""
    return [entry.fact.split('"what":"')[1].split('"')[0] for entry in entries if entry.what == "approval"]


def test_a_playbook_that_needs_approval_asks_waits_and_runs_once_approved(
    tmp_path: Path, crowd: Crowd
) -> None:
    mark = tmp_path / "mark"
    with play(tmp_path, touching(mark), people=crowd.people()) as game:
        game.gone[0] = mark.exists
        game.healer.consider(stage.alert(), wall_ms())
        ask = asked(game)
        assert (ask.host, ask.playbook, ask.risk, ask.needs) == ("web1", "heal-shop", "R1", 1)
        assert ask.steps == (f"run touch {mark}",)
        assert ask.until_ms - ask.asked_ms == WITHIN
        assert game.remedy().status is Healing.PROPOSED
        assert "heal-shop waits for one person to approve it until" in game.remedy().reason
        game.healer.tick(wall_ms() + 60 * SECOND)
        assert game.journal.recent(0) == ()
        crowd.say(game, "ada")
        game.healer.tick(wall_ms() + 120 * SECOND)
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert mark.exists()
        assert game.healer.ask(LABELS) is None
        [run] = game.journal.recent(0)
        [kept] = game.journal.asks()
        assert (kept.ended, kept.word, [one.by for one in kept.answers]) == (Ended.USED, run.id, ["ada"])
        assert approvals(game) == ["asked", "granted", "used"]


def test_a_no_ends_it_and_somebody_is_called(tmp_path: Path, crowd: Crowd) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada", yes=False)
        game.until(lambda: "ada denied heal-shop" in game.remedy().reason)
        assert (game.remedy().status, game.remedy().escalate) == (Outcome.SKIPPED, True)
        assert game.healer.ask(LABELS) is None
        game.healer.tick(wall_ms() + 3600 * SECOND)
        assert ended(game) == [Ended.DENIED]
        assert approvals(game) == ["asked", "denied", "denied"]
        assert game.journal.recent(0) == ()


def test_nobodys_answer_is_a_no_at_the_deadline_and_a_late_yes_changes_nothing(
    tmp_path: Path, crowd: Crowd
) -> None:
    guard = "{approval: {within: 5m}}"
    with play(tmp_path, touching(tmp_path / "mark", guard=guard), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        late = sealed(asked(game).answer("ada", asked(game).until_ms, yes=True), KEY)
        game.healer.tick(wall_ms() + 299 * SECOND)
        assert game.healer.ask(LABELS) is not None
        crowd.brought.append(late)
        game.healer.tick(wall_ms() + 301 * SECOND)
        assert "nobody approved heal-shop until" in game.remedy().reason
        assert game.remedy().escalate
        assert ended(game) == [Ended.EXPIRED]
        assert approvals(game) == ["asked", "refused", "expired"]
        game.healer.tick(wall_ms() + 400 * SECOND)
        assert game.journal.recent(0) == ()


def test_two_people_are_two_and_one_of_them_twice_is_not(tmp_path: Path, crowd: Crowd) -> None:
    guard = "{approval: {by: 2}}"
    with play(tmp_path, touching(tmp_path / "mark", guard=guard), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada")
        game.until(lambda: "ada did so far" in game.remedy().reason)
        crowd.say(game, "Ada")
        crowd.say(game, "ada@shop.example")
        game.healer.tick(wall_ms() + 60 * SECOND)
        assert game.journal.recent(0) == ()
        crowd.say(game, "ben")
        game.healer.tick(wall_ms() + 120 * SECOND)
        game.until(lambda: game.remedy().status is Outcome.FIXED)


@pytest.mark.parametrize("other", ["host", "playbook", "plan", "seal"])
def test_an_answer_for_something_else_or_without_its_seal_is_refused_and_written_down(
    tmp_path: Path, crowd: Crowd, other: str
) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        right = asked(game).answer("ada", wall_ms(), yes=True)
        wrong = {
            "host": sealed(replace(right, host="web2"), KEY),
            "playbook": sealed(replace(right, playbook="other"), KEY),
            "plan": sealed(replace(right, plan="2" * 64), KEY),
            "seal": replace(right, seal="3" * 64),
        }
        crowd.brought.append(wrong[other])
        game.healer.tick(wall_ms() + 2 * SECOND)
        game.healer.tick(wall_ms() + 4 * SECOND)
        assert approvals(game) == ["asked", "refused"]
        assert game.journal.recent(0) == ()
        assert game.healer.ask(LABELS) is not None, "whoever may still answers"


def test_every_guard_is_asked_again_after_the_approval(tmp_path: Path, crowd: Crowd) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        sight, holds = [Sight(90 * SECOND, 15 * SECOND)], {"": "held back by ben"}
        game.healer._around = replace(
            game.healer._around, sight=lambda _alert, _now: sight[0], holds=lambda: holds
        )
        crowd.say(game, "ada")
        now_ms = wall_ms() + 2 * SECOND
        game.switch.set("ben", "moving", now_ms)
        for sentence in ("stopped by ben: moving", "held back by ben", "90s old"):
            game.healer.tick(now_ms)
            assert sentence.replace("90s", "1m30s") in game.remedy().reason
            assert game.journal.recent(0) == ()
            if game.switch.active():
                game.switch.lift()
            elif holds:
                holds.clear()
            now_ms += 20 * SECOND
        sight[0] = Sight(0, 15 * SECOND)
        game.healer.tick(now_ms)
        game.until(lambda: game.remedy().status is Outcome.FIXED)


def test_a_guard_that_speaks_against_it_keeps_people_from_being_asked(tmp_path: Path, crowd: Crowd) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.switch.set("ben", "moving", wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        assert game.healer.ask(LABELS) is None
        assert game.remedy().reason == "stopped by ben: moving"
        game.switch.lift()
        game.until(lambda: game.healer.ask(LABELS) is not None)


def test_who_is_at_work_is_asked_before_people_are_and_the_desk_only_after(
    tmp_path: Path, crowd: Crowd
) -> None:
    act: list[HumanAct | None] = [HumanAct("apt is at work on this host", passing=True)]
    leased: list[str] = []

    def lease(playbook: Playbook, _alert: Alert) -> str:
        leased.append(playbook.playbook)
        return ""

    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer._around = replace(game.healer._around, at_work=lambda: act[0], lease=lease)
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: "apt is at work" in game.remedy().reason)
        act[0] = None
        game.healer.tick(wall_ms() + 20 * SECOND)
        game.until(lambda: game.healer.ask(LABELS) is not None)
        assert leased == []
        crowd.say(game, "ada")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert leased == ["heal-shop"]


def test_a_restart_keeps_what_was_asked_and_answered(tmp_path: Path, crowd: Crowd) -> None:
    playbook = touching(tmp_path / "mark", guard="{approval: {by: 2}}")
    with play(tmp_path, playbook, people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada")
        game.until(lambda: "ada did so far" in game.remedy().reason)
        before = asked(game)
    crowd.brought.clear()
    with play(tmp_path, playbook, people=crowd.people()) as game:
        game.healer.recover(wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        assert asked(game) == before
        assert "ada did so far" in game.remedy().reason
        crowd.say(game, "ben")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert approvals(game) == ["asked", "granted", "granted", "used"]


def test_a_no_outlives_a_restart(tmp_path: Path, crowd: Crowd) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada", yes=False)
        game.until(lambda: "ada denied" in game.remedy().reason)
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.recover(wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        assert game.healer.ask(LABELS) is None
        assert "ada denied heal-shop" in game.remedy().reason


def test_an_alert_that_resolves_ends_the_ask_and_the_next_one_asks_anew(tmp_path: Path, crowd: Crowd) -> None:
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        first = asked(game)
        game.healer.consider(stage.alert(state=AlertState.RESOLVED), wall_ms())
        assert game.healer.ask(LABELS) is None
        assert ended(game) == [Ended.RESOLVED]
        crowd.brought.append(sealed(first.answer("ada", wall_ms(), yes=True), KEY))
        game.healer.consider(stage.alert(fired_ms=stage.NOW_MS + 1), wall_ms() + SECOND)
        assert asked(game).id != first.id
        game.healer.tick(wall_ms() + 5 * SECOND)
        assert game.journal.recent(0) == (), "what was said to the first is not said to the second"


def test_people_are_asked_once_for_an_episode(tmp_path: Path, crowd: Crowd) -> None:
    guard = "{cooldown: 0s, at_most: 100 per 1h}"
    with play(
        tmp_path, touching(tmp_path / "mark", guard=guard, verify=SHORT), people=crowd.people()
    ) as game:
        game.gone[0] = lambda: False
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada")
        game.until(lambda: "one run of heal-shop was approved already" in game.remedy().reason)
        assert game.remedy().status is Outcome.INEFFECTIVE
        game.healer.tick(wall_ms() + 3600 * SECOND)
        assert len(game.journal.recent(0)) == len(game.journal.asks()) == 1


@pytest.mark.parametrize("change", ["steps", "mode", "gone", "people"])
def test_what_was_asked_is_void_when_the_playbook_is_another_one_now(
    tmp_path: Path, crowd: Crowd, change: str
) -> None:
    mark = tmp_path / "mark"
    with play(tmp_path, touching(mark), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada")
        others = {
            "steps": [touching(tmp_path / "other")],
            "mode": [touching(mark, mode="propose")],
            "gone": [],
            "people": [touching(mark, guard="{approval: {by: 2}}")],
        }
        game.healer.use(others[change])
        game.healer.tick(wall_ms() + 2 * SECOND)
        game.healer.tick(wall_ms() + 60 * SECOND)
        assert ended(game) == [Ended.VOID]
        assert game.journal.recent(0) == ()
        assert game.healer.ask(LABELS) is None


def test_a_latch_asks_once_all_playbooks_are_out(tmp_path: Path, crowd: Crowd) -> None:
    first = touching(
        tmp_path / "one", mode="auto", verify=SHORT, guard="{cooldown: 0s, at_most: [1 per 1s, 1 per 24h]}"
    )
    second = replace(first, playbook=Name("second"))
    with play(tmp_path, first, second, people=crowd.people()) as game:
        game.gone[0] = lambda: len(game.journal.recent(0)) == 3
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.healer.ask(LABELS) is not None)
        assert [run.playbook for run in game.journal.recent(0)] == ["heal-shop", "second"]
        assert asked(game).playbook == "heal-shop"
        assert "heal-shop used up its 1 per 1d" in asked(game).because
        assert "waits for one person" in game.remedy().reason
        assert game.remedy().status is Outcome.INEFFECTIVE
        crowd.say(game, "ada")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert [run.playbook for run in game.journal.recent(0)][2] == "heal-shop"


def test_the_next_playbook_acts_where_the_first_was_denied(tmp_path: Path, crowd: Crowd) -> None:
    first = touching(tmp_path / "one")
    second = replace(touching(tmp_path / "two", mode="auto"), playbook=Name("second"))
    with play(tmp_path, first, second, people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada", yes=False)
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert [run.playbook for run in game.journal.recent(0)] == ["second"]
        assert not (tmp_path / "one").exists()


def test_where_nobody_can_be_asked_it_is_refused_with_the_reason(tmp_path: Path) -> None:
    with play(tmp_path, touching(tmp_path / "mark")) as game:
        game.healer.consider(stage.alert(), wall_ms())
        remedy = game.remedy()
        assert (remedy.status, remedy.escalate) == (Outcome.SKIPPED, True)
        assert remedy.reason == "heal-shop acts once approved by one person"


def test_the_hand_is_given_what_people_said_for_the_run_and_its_undo(tmp_path: Path, crowd: Crowd) -> None:
    carried: list[tuple[str, ...]] = []

    class Noting(Hand):
        def of(self, _playbook: str, grants: tuple[Grant, ...] = ()) -> Hand:
            carried.append(tuple(one.by for one in grants))
            return self

    file = tmp_path / "file"
    steps = f"- file: {{path: {file}, state: touch}}"
    playbook = stage.playbook(steps, mode="approve", verify=SHORT)
    with play(tmp_path, playbook, people=crowd.people()) as game:
        noting = Noting(lambda: wall_ms() / 1000, wall_ms, tmp_path / "undo")
        game.healer._hands = noting
        game.gone[0] = lambda: False
        game.healer.consider(stage.alert(), wall_ms())
        crowd.say(game, "ada")
        game.until(lambda: "undone" in game.remedy().reason)
        noting.close()
    assert carried == [("ada",), ("ada",)]


def test_the_ask_is_of_one_alert_and_holds_no_other_back(tmp_path: Path, crowd: Crowd) -> None:
    other = Labels.of(alertname="ShopDown", instance="web2")
    with play(tmp_path, touching(tmp_path / "mark"), people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.healer.consider(stage.alert(other), wall_ms())
        assert game.healer.ask(other) != game.healer.ask(LABELS)
        crowd.say(game, "ada")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert game.healer.ask(other) is not None
