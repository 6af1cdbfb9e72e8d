"""A run that asks people in its middle: a yes, a no, silence, and all that ends the wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from model.alert import AlertState
from model.grant import Grant, sealed
from model.outcome import Healing, Outcome
from model.step import Exec
from remediations.apart.allowed import compiled
from remediations.asking.approval import Ask, digest, digest_at
from remediations.asking.asked import Ended
from remediations.running.journal import Journal
from remediations.running.run import Stage
from remediations.writing.gates import gates
from remediations.writing.playbook import Playbook
from tests.remediations import stage
from tests.remediations.errands import BOOK, IDENTITY, RUN, Service, grant, serving
from tests.remediations.stage import BARE, LABELS, Play, play, wall_ms
from tests.remediations.test_healer_approvals import KEY, QUICK, Crowd, approvals, asked

ASK = "- approve: {say: 'Restart {{ labels.instance }}?', within: 15m}\n"


@dataclass(frozen=True)
class Marks:
    """Files that steps leave behind."""

    folder: Path

    def touch(self, word: str) -> str:
        return f"- command: {{argv: [touch, {self.folder / word}]}}\n"

    def step(self, word: str) -> Exec:
        return Exec(("touch", str(self.folder / word)))

    def left(self) -> list[str]:
        return sorted(one.name for one in self.folder.iterdir())


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    (tmp_path / "marks").mkdir()
    return Marks(tmp_path / "marks")


def waiting(game: Play) -> Ask:
    """Let the run come to its question, and return that."""
    game.healer.consider(stage.alert(), wall_ms())
    game.until(lambda: game.healer.ask(LABELS) is not None)
    return asked(game)


def only(game: Play) -> tuple[Ended | None, str]:
    [one] = game.journal.asks()
    return one.ended, one.word


def test_a_yes_lets_the_run_go_on(tmp_path: Path, crowd: Crowd, marks: Marks) -> None:
    book = stage.playbook(marks.touch("a") + ASK + marks.touch("b"), verify=QUICK)
    with play(tmp_path, book, people=crowd.people()) as game:
        ask = waiting(game)
        assert marks.left() == ["a"]
        assert (ask.playbook, ask.because, ask.needs) == ("heal-shop", "Restart web1?", 1)
        assert ask.steps == (f"run touch {marks.folder}/b",)
        assert "run" not in json.loads(ask.told())
        game.until(lambda: "waits for one person to approve what follows" in game.remedy().reason)
        assert (game.remedy().status, game.remedy().reason.endswith(": Restart web1?")) == (
            Healing.ACTING,
            True,
        )
        crowd.say(game, "ada")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert marks.left() == ["a", "b"]
        [run] = game.journal.recent(0)
        assert only(game) == (Ended.USED, run.id)
        assert [one.by for one in game.journal.granted(run.id)] == ["ada"]
        assert approvals(game) == ["asked", "granted", "used"]
        assert game.healer.ask(LABELS) is None


def test_a_no_fails_the_step_like_any_other(tmp_path: Path, crowd: Crowd, marks: Marks) -> None:
    steps = f"""- block:
  {(ASK + "  " + marks.touch("b")).rstrip()}
  rescue:
  - notify: {{text: '{{{{ failed_result.msg }}}}'}}
  {marks.touch("rescued")}  always:
  {marks.touch("last")}"""
    with play(tmp_path, stage.playbook(steps, verify=QUICK), people=crowd.people()) as game:
        waiting(game)
        crowd.say(game, "ada", yes=False)
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert marks.left() == ["last", "rescued"]
        assert game.remedy().reason.startswith("ada denied heal-shop at")
        assert only(game)[0] is Ended.DENIED


def test_silence_until_the_deadline_is_a_no(tmp_path: Path, crowd: Crowd, marks: Marks) -> None:
    guard = "{cooldown: 0s, at_most: 9 per 1h}"
    book = stage.playbook(ASK.replace("15m", "1s") + marks.touch("b"), guard=guard)
    with play(tmp_path, book, people=crowd.people()) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: len(game.journal.recent(0)) >= 2 and not game.journal.unfinished())
        first, second, *_ = game.journal.recent(0)
        assert first.trouble.startswith("nobody approved heal-shop until")
        assert (first.outcome, first.escalate) == (Outcome.FAILED, True)
        assert second.trouble == first.trouble
        assert (marks.left(), only(game)[0]) == ([], Ended.EXPIRED), "nobody is asked twice for one trouble"


def test_a_no_that_is_ignored_lets_nothing_change_all_the_same(
    tmp_path: Path, crowd: Crowd, marks: Marks
) -> None:
    steps = ASK + "  ignore_errors: true\n- notify: {text: asked}\n" + marks.touch("b")
    with play(tmp_path, stage.playbook(steps, verify=QUICK), people=crowd.people()) as game:
        waiting(game)
        crowd.say(game, "ada", yes=False)
        game.until(lambda: game.remedy().status is Outcome.FAILED)
        [run] = game.journal.recent(0)
        assert (run.notes, run.trouble) == (("asked",), "people did not approve it")
        assert marks.left() == []


def test_a_forged_yes_and_one_to_another_question_count_for_nothing(
    tmp_path: Path, crowd: Crowd, marks: Marks
) -> None:
    with play(tmp_path, stage.playbook(ASK + marks.touch("b")), people=crowd.people()) as game:
        right = waiting(game).answer("ada", wall_ms(), yes=True)
        plan = digest(stage.playbook(ASK + marks.touch("b")), BARE)
        crowd.brought += [replace(right, seal="3" * 64), sealed(replace(right, plan=plan), KEY)]
        game.until(lambda: approvals(game) == ["asked", "refused", "refused"])
        assert game.healer.ask(LABELS) is not None
        assert marks.left() == []


@pytest.mark.parametrize("end", ["switch", "resolved", "leaving"])
def test_the_wait_ends_with_the_run(tmp_path: Path, crowd: Crowd, marks: Marks, end: str) -> None:
    def stop() -> None:
        game.switch.set("ben", "moving", wall_ms())

    def resolve() -> None:
        game.healer.consider(stage.alert(state=AlertState.RESOLVED), wall_ms())

    acts: dict[str, Callable[[], None]] = {"switch": stop, "resolved": resolve}
    ended = {
        "switch": (Ended.VOID, "stopped by ben: moving"),
        "resolved": (Ended.RESOLVED, "the alert resolved"),
        "leaving": (Ended.VOID, "the agent is stopping"),
    }
    with play(tmp_path, stage.playbook(ASK + marks.touch("b")), people=crowd.people()) as game:
        waiting(game)
        if end == "leaving":
            game.healer.close()
        else:
            acts[end]()
            game.until(lambda: game.remedy().status is Outcome.SKIPPED)
        assert only(game) == ended[end]
        assert marks.left() == []


def test_where_nobody_can_be_asked_the_step_fails(tmp_path: Path, marks: Marks) -> None:
    with play(tmp_path, stage.playbook(ASK + marks.touch("b"))) as game:
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FAILED)
        assert game.remedy().reason == "nobody can be asked for an approval here"
        assert marks.left() == []


def test_a_restart_in_the_middle_of_the_wait_repeats_nothing_and_ends_the_ask(
    tmp_path: Path, crowd: Crowd, marks: Marks
) -> None:
    book = stage.playbook(marks.touch("a") + ASK + marks.touch("b"), verify=QUICK)
    with play(tmp_path, book, people=crowd.people()) as game:
        waiting(game)
        before = game.journal.unfinished()
        ask = asked(game)
    # As a kill would leave it: a run in its middle, and its question open.
    with closing(Journal(tmp_path / "runs.db")) as journal:
        journal.save(replace(before[0], stage=Stage.ACTING, outcome=None, ended_ms=0))
        journal.ask(replace(ask, id="f" * 32), wall_ms())
    (marks.folder / "a").unlink()
    crowd.brought.append(sealed(replace(ask, id="f" * 32).answer("ada", wall_ms(), yes=True), KEY))
    with play(tmp_path, book, people=crowd.people()) as game:
        game.healer.recover(wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        last = game.journal.asks()[-1]
        assert (last.ended, last.answers) == (Ended.VOID, ())
        assert "restarted in the middle" in last.word
        assert marks.left() == [], "no step was repeated, and none was taken that people had not approved"


def at(book: Playbook, number: int, by: str = "ada", ask: str = "ask-2") -> Grant:
    """What somebody says to one question of a playbook."""
    gate = gates(book.steps).each[number - 1]
    return grant(book, by, ask, plan=digest_at(gate, digest(book, BARE)))


SERVED = f"the grant of 'ada' has served the run {RUN} already"


def taken(service: Service, step: Exec, *grants: Grant, run: str = RUN) -> str:
    """Return why the hand refuses, or nothing."""
    return service.take(step, run, BOOK, *grants).reason


def test_a_hand_takes_nothing_behind_a_question_without_the_yes_to_it(tmp_path: Path, marks: Marks) -> None:
    book = stage.playbook(marks.touch("a") + ASK + marks.touch("b") + ASK + marks.touch("c"))
    a, b, c = map(marks.step, "abc")
    with serving(tmp_path, book) as service:
        assert taken(service, a) == ""
        assert "behind question 1 of its playbook: one person must agree, and nobody did" in taken(service, b)
        for wrong in (grant(book), at(book, 2), replace(at(book, 1), seal="0" * 64)):
            assert "question 1" in taken(service, b, wrong)
        assert "'ada' said no" in taken(service, b, grant(book, yes=False, plan=at(book, 1).plan))
        assert "question 2" in taken(service, c, at(book, 1))
        assert marks.left() == ["a"]
        assert taken(service, b, at(book, 1)) == ""
        assert taken(service, c, at(book, 2, ask="ask-3")) == ""
    assert marks.left() == ["a", "b", "c"]


def test_the_yes_to_a_question_serves_one_run_also_after_the_hand_was_restarted(
    tmp_path: Path, marks: Marks
) -> None:
    book = stage.playbook(ASK + marks.touch("b") + "  retries: 5\n", mode="approve")
    step, said = marks.step("b"), (grant(book), at(book, 1))
    with serving(tmp_path, book) as service:
        assert "one person must agree, and nobody did" in taken(service, step, at(book, 1))
        assert "question 1" in taken(service, step, grant(book))
        assert taken(service, step, *said) == ""
    late = replace(at(book, 1), until_ms=wall_ms() - 600_000)
    with serving(tmp_path, book) as service:
        assert taken(service, step, grant(book), sealed(late, IDENTITY.key)) == "", (
            "it held when the run went on"
        )
        again = grant(book, "ben", "ask-9")
        because = taken(service, step, at(book, 1), again, run="other-1")
        assert f"question 1 of its playbook: one person must agree, and nobody did: {SERVED}" in because
        assert taken(service, step, again, at(book, 1, "ben", "ask-8"), run="other-1") == ""
    first = json.loads(service.acts().splitlines()[0])
    assert (first["ask"], first["opened"]) == ("ask-1", {"ask-2": ["ada"]})


def test_what_takes_back_a_step_behind_a_question_stands_behind_it_too(tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_text("old\n")
    book = stage.playbook(ASK + f"- line: {{path: {file}, line: new}}\n")
    allowance = compiled([book], BARE).each[BOOK]
    assert set(allowance.behind) == set(allowance.acts)
    assert len(allowance.acts) == 2


def test_a_step_that_stands_unasked_elsewhere_needs_no_yes(marks: Marks) -> None:
    book = stage.playbook(marks.touch("a") + ASK + marks.touch("a") + marks.touch("b"))
    assert set(compiled([book], BARE).each[BOOK].behind) == {marks.step("b")}


def test_a_run_through_a_hand_of_its_own_goes_on_with_what_people_said(tmp_path: Path, marks: Marks) -> None:
    """The whole way: a playbook in ``approve`` that asks once more, and a hand that trusts nobody."""
    crowd = Crowd(key=IDENTITY.key)
    book = stage.playbook(marks.touch("a") + ASK + marks.touch("b"), mode="approve", verify=QUICK)
    with serving(tmp_path, book) as service, play(tmp_path, book, people=crowd.people()) as game:
        game.healer._hands = service.client
        first = waiting(game)
        crowd.say(game, "ada")
        game.until(lambda: game.healer.ask(LABELS) not in (None, first))
        assert marks.left() == ["a"]
        crowd.say(game, "ben")
        game.until(lambda: game.remedy().status is Outcome.FIXED)
        assert marks.left() == ["a", "b"]


def test_what_was_approved_is_taken_back_after_a_restart_of_agent_and_hand(tmp_path: Path) -> None:
    crowd, files = Crowd(key=IDENTITY.key), [tmp_path / name for name in ("first", "second")]
    for file in files:
        file.write_text("old\n")
    first, second = (f"- line: {{path: {file}, line: new}}\n" for file in files)
    book = stage.playbook(first + ASK + second, mode="approve", verify="{within: 2s, hold: 0s}")
    with serving(tmp_path, book) as service, play(tmp_path, book, people=crowd.people()) as game:
        game.healer._hands, game.gone[0] = service.client, lambda: False
        start = waiting(game)
        crowd.say(game, "ada")
        game.until(lambda: game.healer.ask(LABELS) not in (None, start))
        crowd.say(game, "ben")
        game.until(lambda: game.remedy().status is Healing.VERIFYING)
        assert [file.read_text() for file in files] == ["old\nnew\n"] * 2
    crowd.brought.clear()
    with serving(tmp_path, book) as service, play(tmp_path, book, people=crowd.people()) as game:
        game.healer._hands, game.gone[0] = service.client, lambda: False
        game.healer.recover(wall_ms())
        game.healer.consider(stage.alert(), wall_ms())
        game.until(lambda: "what it had changed was undone" in game.remedy().reason)
        assert [file.read_text() for file in files] == ["old\n"] * 2
        assert service.refused() == ""
