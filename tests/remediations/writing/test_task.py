"""A playbook's steps are read strictly, and everything that they could do is known from the file."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.step import Exec, Host
from remediations.writing.playbook import load_playbook
from tests.remediations.running.test_carrying import BLOCK

HEAD = "playbook: a\nsummary: A.\non: ['alertname=\"A\"']\nverify: {}\nsteps:\n"
BARE = Host(has_systemd=False)


def planned(steps: str) -> list[str]:
    return [str(one.step) for one in load_playbook((HEAD + steps).encode(), "p.yml").plan(BARE)]


def refused(steps: str) -> list[str]:
    with pytest.raises(Rejected) as rejected:
        load_playbook((HEAD + steps).encode(), "p.yml")
    return [str(problem) for problem in rejected.value.problems]


def test_every_step_that_could_be_taken_is_planned_whatever_the_conditions() -> None:
    assert planned(BLOCK) == ["run do a", "run do b", "run do mend", "run do last", "run do after"]


def test_a_loop_is_planned_item_by_item() -> None:
    steps = (
        "- command: {argv: [do, '{{ item.verb }}', 'x{{ item.on }}']}\n"
        "  loop: [{verb: cut, on: a}, {verb: mend, on: b}]\n"
    )
    assert planned(steps) == ["run do cut xa", "run do mend xb"]


def test_the_time_limit_of_a_task_is_laid_over_its_steps() -> None:
    book = load_playbook((HEAD + "- command: {argv: [do]}\n  timeout: 7s\n").encode(), "p.yml")
    assert [one.step for one in book.plan(BARE)] == [Exec(("do",), timeout_s=7)]


STEP = "- command: {argv: [do]}\n"


@pytest.mark.parametrize(
    ("steps", "where", "sentence"),
    [
        (STEP + "  when: a ==\n", "7:13", "a value is missing"),
        (STEP + "  when: other.rc == 0\n", "7:9", "'other' is not known here"),
        (STEP + "  when: itself.rc == 0\n  register: itself\n", "7:9", "'itself' is not known here"),
        (STEP + "  when: item == 'a'\n", "7:9", "'item' is not known here"),
        (STEP + "  when: failed_task == 'a'\n", "7:9", "'failed_task' is not known here"),
        (STEP + "  until: [true, {}]\n", "7:17", "a condition is a text"),
        (STEP + "  retries: 1000\n", "7:3", "retries are 1 to 100"),
        (STEP + "  delay: 1h\n", "7:3", "the delay is longer than 10m"),
        (STEP + "  register: labels\n", "7:3", "'labels' cannot be registered"),
        (STEP + "  register: a b\n", "7:3", "'a b' cannot be registered"),
        (STEP + "  loop: []\n", "7:9", "a loop goes over a list that stands here"),
        (STEP + "  loop: '{{ result.stdout_lines }}'\n", "7:9", "a loop goes over a list that stands here"),
        (STEP + "  loop: ['{{ labels.instance }}']\n", "7:10", "an item is a text"),
        ("- command: {argv: [do, '{{ item.x }}']}\n  loop: [a]\n", "6:3", "the item has no {{ item.x }}"),
        (STEP + "  become: true\n", "7:3", "unknown action 'become'; the hand has its own rights"),
        (STEP + "  delegate_to: other\n", "7:3", "an agent acts on its own host only"),
        ("- block: []\n", "6:3", "the block is empty"),
        ("- block:\n  - command: {argv: [do]}\n  retries: 3\n", "8:3", "unknown key 'retries'"),
        ("- block:\n  - servce: {}\n", "7:5", "unknown action 'servce'"),
        ("  []\n", "5:1", "a playbook has 1 to 60 steps"),
    ],
)
def test_a_mistake_is_named_at_its_place(steps: str, where: str, sentence: str) -> None:
    [problem] = refused(steps)
    assert problem.startswith(f"p.yml:{where}: "), problem
    assert sentence in problem


def test_blocks_are_not_nested_without_end() -> None:
    steps = "- command: {argv: [do]}\n"
    for _ in range(5):
        steps = "- block:\n" + "".join(f"  {line}\n" for line in steps.splitlines())
    [problem] = refused(steps)
    assert "nested deeper than 4" in problem


def test_a_label_can_never_become_part_of_a_step() -> None:
    for text in ("{{ labels.instance }}", "{{ result.stdout }}", "${labels.instance}"):
        assert planned(f"- command: {{argv: [do, '{text}']}}\n") == [f"run do '{text}'"]
