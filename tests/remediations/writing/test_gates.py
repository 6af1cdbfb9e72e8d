"""What stands behind a question in the middle of a playbook, and which questions are none."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from remediations.asking.approval import digest, digest_at, needed, needed_at, shown
from remediations.writing.gates import Gate, gates
from remediations.writing.playbook import Playbook
from tests.remediations import stage
from tests.remediations.stage import BARE

ASK = "- approve: {say: go on?}\n"


def do(word: str, more: str = "") -> str:
    return f"- command: {{argv: [{word}]}}\n{more}"


def indented(steps: str) -> str:
    return "".join(f"  {line}\n" for line in steps.splitlines())


def block(steps: str, rescue: str = "", always: str = "", more: str = "") -> str:
    parts = {"block": steps, "rescue": rescue, "always": always}
    written = "".join(f"  {name}:\n{indented(part)}" for name, part in parts.items() if part)
    return f"- name: part\n{more}{written}"


def behind(book: Playbook) -> list[str]:
    """Return for each question the programs that stand behind it."""
    return [" ".join(one.removeprefix("run ") for one in shown(book, BARE, gate)) for gate in each(book)]


def each(book: Playbook) -> tuple[Gate, ...]:
    return gates(book.steps).each


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (do("a") + ASK + do("b") + do("c"), ["b c"]),
        (do("a") + ASK + do("b") + ASK + do("c"), ["b", "c"]),
        (block(ASK + do("a")) + do("b"), ["a b"]),
        (block(ASK + do("a"), rescue=do("no")) + do("b"), ["a"]),
        (block(ASK + do("a"), always=do("last")) + do("b"), ["a b"]),
        (block(ASK + do("a"), more="  when: alert.value > 2\n") + do("b"), ["a"]),
        (block(ASK + do("a"), more="  ignore_errors: true\n") + do("b"), ["a"]),
        (ASK + block(do("a"), rescue=do("b"), always=do("c")), ["a b c"]),
        (block(do("a"), rescue=ASK + do("b")) + do("c"), ["b"]),
        (block(block(ASK + do("a"), rescue=do("no")) + do("b")) + do("c"), ["a"]),
    ],
)
def test_what_follows_stands_behind_it_unless_a_run_may_get_there_without_a_yes(
    steps: str, wanted: list[str]
) -> None:
    assert behind(stage.playbook(steps)) == wanted


def test_each_question_has_a_digest_of_its_own_and_none_is_that_of_the_plan() -> None:
    book = stage.playbook(ASK + do("a") + ASK + do("b"))
    plan = digest(book, BARE)
    found = {plan, *(digest_at(gate, plan) for gate in gates(book.steps).each)}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (do("a") + ASK, "no step that changes something stands behind this question"),
        (ASK + "- collect: [df]", "no step that changes something stands behind this question"),
        (block(ASK + "- collect: [df]", rescue=do("a")), "no step that changes something"),
        (ASK + "  when: alert.value > 2\n" + do("a"), "may be skipped lets nobody decide"),
        (ASK + "  retries: 2\n" + do("a"), "people are asked once"),
        (ASK + "  failed_when: false\n" + do("a"), "people are asked once"),
        ("- approve: {say: '{{ item }}?'}\n  loop: [a, b]\n" + do("a"), "people are asked once"),
        ("- approve: {say: go?, by: 0}\n" + do("a"), "1 to 3 people approve what follows"),
        ("- approve: {say: go?, within: 2d}\n" + do("a"), "from 1s to 1d"),
        ("- approve: {say: '{{ result.rc }}'}\n" + do("a"), "'result' is not known here"),
        ("- approve: {within: 5m}\n" + do("a"), "the key 'say' is missing"),
    ],
)
def test_a_question_that_decides_nothing_is_refused(steps: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        stage.playbook(steps)


FOR_GOOD = "- process_signal: {match: {exe: /usr/bin/shop}}\n"


def test_who_asks_before_each_step_that_cannot_be_undone_is_not_asked_about_before() -> None:
    assert needed(stage.playbook(do("a") + ASK + FOR_GOOD)) == 0
    assert needed(stage.playbook(FOR_GOOD + ASK + do("a"))) == 1
    assert needed(stage.playbook(do("a") + ASK + FOR_GOOD, mode="approve")) == 1


def test_two_must_agree_to_what_cannot_be_undone_on_several_hosts() -> None:
    many = "{hosts_at_once: 2}"
    book = stage.playbook(ASK + FOR_GOOD, guard=many)
    assert [needed_at(gate, book) for gate in gates(book.steps).each] == [2]
    assert needed(book) == 0
    with pytest.raises(Rejected, match="approved by two people"):
        stage.playbook("- approve: {say: go?, by: 1}\n" + FOR_GOOD, guard=many)
