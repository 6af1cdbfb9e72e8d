"""Tasks are done as in Ansible: conditions, loops, retries, blocks, rescues; and a run ends when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model.step import Exec, Host, Result, Step
from remediations.running.carrying import Errand, Reins, Undone, carry, given, undo
from remediations.running.journal import Journal
from remediations.running.run import Carried, begun
from tests.remediations import stage
from tests.remediations.stage import NOW_MS


@dataclass
class FakeHand:
    """Answers each program by its first argument, in turn; the last answer stays."""

    answers: dict[str, list[Result]] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)

    def carry_out(
        self, step: Step, _stopped: Callable[[], str], _run: str = "", *, check: bool = False
    ) -> Result:
        assert isinstance(step, Exec)
        assert not check
        word = " ".join(step.argv[1:])
        self.did.append(word)
        told = self.answers.get(word, [Result(ok=True, rc=0, changed=True)])
        return told.pop(0) if len(told) > 1 else told[0]


def says(text: str, rc: int = 0) -> Result:
    return Result(
        ok=rc == 0, reason=f"it ended with exit code {rc}" if rc else "", output=text, rc=rc, changed=True
    )


BAD = says("", 1)


@dataclass
class Stage:
    journal: Journal
    hand: FakeHand = field(default_factory=FakeHand)
    waited_s: list[float] = field(default_factory=list)
    halted: str = ""
    resolved: bool = False

    def play(self, steps: str, **answers: list[Result]) -> Carried:
        self.hand.answers = {name: list(told) for name, told in answers.items()}
        book = stage.playbook(steps)
        run = begun(book, stage.alert(), NOW_MS)
        self.journal.save(run)
        self.run = run.id
        host = Host(has_systemd=False)
        errand = Errand(run.id, book, host, given(stage.alert(), host))
        return carry(errand, self.hand, self.journal, self.reins())

    def take_back(self, done: Carried) -> Undone:
        return undo(self.run, done, self.hand, self.journal, self.reins())

    def reins(self) -> Reins:
        return Reins(
            lambda: self.halted, lambda: "", lambda: self.resolved, self.waited_s.append, lambda: NOW_MS
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    journal = Journal(tmp_path / "runs.db")
    yield Stage(journal)
    journal.close()


def do(word: str, more: str = "") -> str:
    return f"- command: {{argv: [do, {word}]}}\n" + "".join(f"  {line}\n" for line in more.splitlines())


def test_tasks_are_done_in_their_order_until_one_fails(scene: Stage) -> None:
    done = scene.play(do("a") + do("b") + do("c"), b=[BAD])
    assert scene.hand.did == ["a", "b"]
    assert done.trouble == "step 2 (run do b) failed: it ended with exit code 1"


def test_a_step_of_many_words_leaves_room_for_why_it_failed(scene: Stage) -> None:
    word = "x" * 900
    done = scene.play(do(word), **{word: [BAD]})
    assert done.trouble.endswith("x…) failed: it ended with exit code 1")
    assert len(done.trouble) < 300


def test_a_task_whose_condition_does_not_hold_is_skipped(scene: Stage) -> None:
    steps = (
        do("a", "register: a")
        + do("b", "when: a.rc == 1")
        + do("c", "when: [a is changed, labels.service == 'shop']")
    )
    assert scene.play(steps).trouble == ""
    assert scene.hand.did == ["a", "c"]


def test_a_skipped_task_registers_that_it_was_skipped(scene: Stage) -> None:
    scene.play(do("a", "when: false\nregister: a") + do("b", "when: a is skipped"))
    assert scene.hand.did == ["b"]


def test_a_condition_that_cannot_be_answered_fails_its_task(scene: Stage) -> None:
    done = scene.play(do("a", "name: ask\nwhen: labels.zone == 'eu'"))
    assert scene.hand.did == []
    assert done.trouble == "ask: labels.zone is not defined"


def test_a_loop_does_its_task_for_each_item_and_registers_all_results(scene: Stage) -> None:
    steps = (
        "- command: {argv: [do, '{{ item }}']}\n  loop: [x, y, z]\n  when: item != 'y'\n  register: all\n"
        + do("end", "when: all.results | length == 3 and all.results[1] is skipped")
    )
    scene.play(steps)
    assert scene.hand.did == ["x", "z", "end"]


def test_a_turn_that_fails_does_not_keep_the_others_from_theirs(scene: Stage) -> None:
    done = scene.play("- command: {argv: [do, '{{ item.name }}']}\n  loop: [{name: x}, {name: y}]\n", x=[BAD])
    assert scene.hand.did == ["x", "y"]
    assert done.trouble.startswith("step 1 (run do x) failed")


def test_a_task_is_tried_again_until_it_is_so(scene: Stage) -> None:
    more = "register: a\nuntil: \"'ready' in a.stdout\"\nretries: 5\ndelay: 2s"
    done = scene.play(
        do("a", more) + do("b", "when: a.attempts == 3"), a=[says("no"), says("no"), says("ready")]
    )
    assert done.trouble == ""
    assert scene.hand.did == ["a", "a", "a", "b"]
    assert scene.waited_s == [2, 2]


def test_what_never_becomes_so_is_a_failure(scene: Stage) -> None:
    done = scene.play(
        do("a", "name: wait\nregister: a\nuntil: \"'ready' in a.stdout\"\nretries: 2"), a=[says("no")]
    )
    assert scene.hand.did == ["a"] * 3
    assert scene.waited_s == [5, 5]
    assert done.trouble == "wait: not so after 3 attempts"


def test_with_retries_alone_it_is_tried_again_until_it_does_not_fail(scene: Stage) -> None:
    assert scene.play(do("a", "retries: 3"), a=[BAD, says("")]).trouble == ""
    assert scene.hand.did == ["a", "a"]


def test_the_playbook_says_what_counts_as_failed_and_as_changed(scene: Stage) -> None:
    more = "register: a\nfailed_when: \"'error' in a.stdout\"\nchanged_when: a.rc == 9"
    done = scene.play(
        do("a", more) + do("b", "when: a is changed") + do("c", "register: c\nfailed_when: c.rc == 0"),
        a=[BAD],
    )
    assert scene.hand.did == ["a", "c"]
    assert done.trouble == "failed_when holds"


def test_an_ignored_failure_is_still_known_to_those_that_follow(scene: Stage) -> None:
    scene.play(do("a", "ignore_errors: true\nregister: a") + do("b", "when: a is failed"), a=[BAD])
    assert scene.hand.did == ["a", "b"]


BLOCK = """\
- block:
  - command: {argv: [do, a]}
  - command: {argv: [do, b]}
  rescue:
  - command: {argv: [do, mend]}
    when: failed_result.rc == 1 and failed_task == 'command'
  always:
  - command: {argv: [do, last]}
- command: {argv: [do, after]}
"""


def test_a_block_that_fails_is_rescued_and_the_run_goes_on(scene: Stage) -> None:
    assert scene.play(BLOCK, a=[BAD]).trouble == ""
    assert scene.hand.did == ["a", "mend", "last", "after"]


def test_a_block_that_does_well_is_not_rescued(scene: Stage) -> None:
    scene.play(BLOCK)
    assert scene.hand.did == ["a", "b", "last", "after"]


def test_a_rescue_that_fails_is_a_failure_but_what_is_always_done_is_done(scene: Stage) -> None:
    done = scene.play(BLOCK, a=[BAD], mend=[BAD])
    assert scene.hand.did == ["a", "mend", "last"]
    assert done.trouble.startswith("step 2 (run do mend) failed")


def test_the_condition_of_a_block_holds_for_all_of_it(scene: Stage) -> None:
    scene.play(BLOCK.replace("- block:", "- when: false\n  block:"))
    assert scene.hand.did == ["after"]


def test_the_kill_switch_ends_a_run_where_it_stands_whatever_is_always_to_be_done(scene: Stage) -> None:
    done = scene.play(BLOCK, a=[Result(ok=False, reason="stopped by ada", stopped="stopped by ada")])
    assert scene.hand.did == ["a"]
    assert done.stopped == "stopped by ada"


def test_the_kill_switch_is_heard_between_two_attempts(scene: Stage) -> None:
    scene.hand.answers = {}
    original = scene.waited_s.append

    def stopped(wait_s: float) -> None:
        original(wait_s)
        scene.halted = "stopped by ada"

    scene.waited_s = _Heard(stopped)
    done = scene.play(do("a", "retries: 5"), a=[BAD])
    assert scene.hand.did == ["a"]
    assert done.stopped == "stopped by ada"


class _Heard(list[float]):
    def __init__(self, does: Callable[[float], None]) -> None:
        super().__init__()
        self._does = does

    def append(self, wait_s: float) -> None:
        self._does(wait_s)


def test_nothing_is_begun_for_an_alert_that_resolved(scene: Stage) -> None:
    scene.resolved = True
    done = scene.play(do("a"))
    assert (done.spared, done.acted_ms, scene.hand.did) == (True, 0, [])


def test_what_must_not_be_logged_stands_nowhere_in_the_journal(scene: Stage) -> None:
    done = scene.play(do("secret", "no_log: true"), secret=[says("secret", 1)])
    [record] = scene.journal.steps(scene.run)
    assert "secret" not in f"{record}{done}"
    assert record.step == "(no_log)"


def drain(word: str, more: str = "") -> str:
    options = f"{{command: {{drain: [lb, out-{word}], ready: [lb, in-{word}]}}}}"
    return f"- drain: {options}\n" + "".join(f"  {line}\n" for line in more.splitlines())


def test_what_was_done_last_is_undone_first_and_once_however_often_it_was_tried(scene: Stage) -> None:
    done = scene.play(drain("a") + drain("b", "retries: 3"), **{"out-b": [BAD]})
    assert scene.hand.did == ["out-a", *["out-b"] * 4]
    scene.hand.did.clear()
    assert scene.take_back(done) == Undone("")
    assert scene.hand.did == ["in-b", "in-a"]


def test_everything_that_was_not_undone_is_told(scene: Stage) -> None:
    done = scene.play(drain("a") + drain("b") + drain("c"))
    scene.hand.answers = {"in-c": [BAD], "in-a": [BAD]}
    told = scene.take_back(done).trouble
    assert told == ("run lb in-c: it ended with exit code 1; run lb in-a: it ended with exit code 1")


def test_an_undo_that_is_stopped_tells_what_it_had_not_come_to(scene: Stage) -> None:
    done = scene.play(drain("a") + drain("b"))
    scene.halted = "stopped by ada"
    assert scene.take_back(done) == Undone("stopped by ada; run lb in-b; run lb in-a")


def test_an_undo_of_what_must_not_be_logged_stands_nowhere_in_the_journal(scene: Stage) -> None:
    done = scene.play(drain("secret", "no_log: true"))
    scene.hand.answers = {"in-secret": [says("secret", 1)]}
    told = scene.take_back(done)
    did, undone = scene.journal.steps(scene.run)
    assert "secret" not in f"{did}{undone}{told}"
    assert undone.step == "undo: (no_log)"
    assert undone.result is not None
    assert undone.result.output == "(no_log)"


def test_a_block_hides_the_undo_of_its_tasks(scene: Stage) -> None:
    inner = "".join(f"  {line}\n" for line in drain("secret").splitlines())
    scene.take_back(scene.play(f"- block:\n{inner}  no_log: true\n"))
    assert "secret" not in str(scene.journal.steps(scene.run))
