"""Assertions, notes and calls for a human are judged over what the run has seen; no step is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.misfit import Rejected
from model.outcome import Outcome
from model.step import Host, Result, Step
from remediations.running import run as runs
from remediations.running.carrying import Errand, Reins, carry, given
from remediations.running.journal import Journal
from remediations.running.run import REASON_CHARACTERS_MAX, Carried, begun
from remediations.writing.playbook import Otherwise
from tests.remediations import stage
from tests.remediations.stage import NOW_MS


class Hand:
    """Does everything well and says the same each time."""

    def __init__(self, output: str) -> None:
        self.output, self.steps = output, 0

    def carry_out(
        self, step: Step, stopped: Callable[[], str], run: str = "", *, check: bool = False
    ) -> Result:
        assert step
        assert run
        assert not check
        assert not stopped()
        self.steps += 1
        return Result(ok=True, rc=0, output=self.output, changed=True)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    kept = Journal(tmp_path / "runs.db")
    yield kept
    kept.close()


def played(journal: Journal, steps: str, output: str = "", halted: str = "") -> tuple[Carried, int]:
    book = stage.playbook(steps)
    run = begun(book, stage.alert(), NOW_MS)
    journal.save(run)
    hand, host = Hand(output), Host(has_systemd=False)
    reins = Reins(lambda: halted, lambda: "", lambda: False, lambda _: None, lambda: NOW_MS)
    errand = Errand(run.id, book, host, given(stage.alert(), host))
    return carry(errand, hand, journal, reins), hand.steps


LOOK = "- command: {argv: [look]}\n  register: look\n"


def test_an_assertion_that_holds_lets_the_run_go_on(journal: Journal) -> None:
    done, steps = played(journal, f"{LOOK}- assert: {{that: look.rc == 0}}\n- command: {{argv: [act]}}")
    assert done.trouble == ""
    assert steps == 2


def test_an_assertion_that_does_not_hold_ends_the_run_with_its_sentence(journal: Journal) -> None:
    text = "'{{ look.stdout }} on {{ labels.instance }}'"
    steps = f"{LOOK}- assert: {{that: ['look.rc == 0', \"'ready' in look.stdout\"], fail_msg: {text}}}\n"
    done, taken = played(journal, steps + "- command: {argv: [act]}", "broken")
    assert done.trouble == "broken on web1"
    assert taken == 1


def test_an_assertion_without_words_says_what_does_not_hold(journal: Journal) -> None:
    silent, _ = played(journal, f"{LOOK}- assert: {{that: look.rc == 1}}")
    assert silent.trouble == "this does not hold: look.rc == 1"


def test_an_assertion_may_be_rescued_like_any_step(journal: Journal) -> None:
    steps = "- block:\n  - assert: {that: false}\n  rescue:\n  - command: {argv: [act]}"
    done, taken = played(journal, steps)
    assert (done.trouble, taken) == ("", 1)


def test_notes_stand_before_the_reason_and_without_secrets(journal: Journal) -> None:
    steps = f"{LOOK}- notify: {{text: 'It said {{{{ look.stdout }}}}.'}}\n"
    done, _ = played(journal, steps, "password=hunter22\n\x1b[1mand more\u202e" + "x" * 9000)
    [note] = done.notes
    assert note.startswith("It said password=[hidden]")
    assert "\n" not in note
    assert "\x1b" not in note
    assert "\u202e" not in note
    book = stage.playbook(steps)
    reason = runs.remedy(runs.carried(begun(book, stage.alert(), NOW_MS), book, done)).reason
    assert reason.startswith("It said password=[hidden]")
    assert len(reason) <= REASON_CHARACTERS_MAX


def test_what_is_not_there_is_said_to_be_unknown(journal: Journal) -> None:
    done, _ = played(journal, "- notify: {text: 'of {{ labels.nobody }}'}")
    assert done.notes == ("of (unknown)",)


def test_an_escalation_calls_a_human_until_the_trouble_is_gone(journal: Journal) -> None:
    steps = "- escalate: {reason: '{{ labels.instance }} needs a human'}"
    done, _ = played(journal, steps)
    assert done.escalate
    book = stage.playbook(steps)
    run = runs.carried(begun(book, stage.alert(), NOW_MS), book, done)
    assert run.escalate
    assert runs.closed(run, Otherwise.NOTHING, Outcome.INEFFECTIVE, "no", NOW_MS).escalate
    assert not runs.closed(run, Otherwise.NOTHING, Outcome.FIXED, "yes", NOW_MS).escalate


def test_the_kill_switch_ends_a_run_of_words_as_well(journal: Journal) -> None:
    done, _ = played(journal, "- notify: {text: hello}", halted="stopped by ada")
    assert done.stopped == "stopped by ada"
    assert done.notes == ()


def test_words_of_a_task_that_is_not_to_be_logged_are_hidden(journal: Journal) -> None:
    done, _ = played(journal, "- notify: {text: hello}\n  no_log: true")
    assert done.notes == ("(no_log)",)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ("- notify: {text: 'of {{ result.rc }}'}", "'result' is not known here"),
        ("- notify: {text: 'of {{ labels. }}'}", "a name follows a dot"),
        ("- notify: {text: ''}", "expected a text"),
        ("- assert: {that: []}", "an assertion has conditions"),
        ("- assert: {that: result.rc == 0}", "'result' is not known here"),
        ("- escalate: {}", "the key 'reason' is missing"),
    ],
)
def test_words_that_cannot_be_said_are_refused(steps: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        stage.playbook(steps)
