"""The list of what is allowed is the plan of the enabled playbooks: no step more, none less."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.duration import Duration
from model.labels import Labels
from model.step import Exec, Host, Result, Step
from remediations.apart.allowed import Allowance, Past, Start, compiled, overdrawn, refusal
from remediations.apart.words import PACKET_BYTES_MAX, VERSION, Request
from remediations.asking.approval import digest
from remediations.asking.consent import Consent
from remediations.budget import Budget, Budgets
from remediations.running.carrying import Errand, Reins, carry
from remediations.running.carrying import given as known
from remediations.running.journal import Journal
from remediations.running.run import begun
from tests.remediations import stage
from tests.remediations.errands import serving
from tests.remediations.stage import BARE, NOW_MS, playbook

SYSTEMD = Host(has_systemd=True)
STEPS = """\
- collect: [top, journal]
- name: bring it back
  block:
  - service: {name: shop, state: restarted, start: [/usr/bin/shopd], pidfile: /run/shop.pid}
    when: labels.service == 'shop'
    retries: 2
  rescue:
  - command: {argv: [shop-repair, '{{ item }}']}
    loop: [fast, slow]
  always:
  - wait_for: {port: 80, timeout: 1s}
"""


@pytest.mark.parametrize("host", [BARE, SYSTEMD])
def test_exactly_the_plan_and_its_questions_are_allowed(host: Host) -> None:
    book = playbook(STEPS)
    allowance = compiled([book], host).each["heal-shop"]
    planned = {one.step for one in book.plan(host)}
    asked = {step for steps in book.asks(host) for step in steps}
    undone = {s for t in book.tasks for turn in t.turns for s in t.action.undo(turn.options, host)}
    assert allowance.acts | allowance.looks == planned | asked | undone
    assert Exec(("shop-repair", "slow")) in allowance.acts
    assert Exec(("shop-repair", "{{ item }}")) not in allowance.acts


def test_a_step_that_only_looks_needs_no_run_and_is_no_act() -> None:
    allowance = compiled([playbook(STEPS)], BARE).each["heal-shop"]
    assert not allowance.looks & allowance.acts
    assert {type(step).__name__ for step in allowance.looks} == {"Gather", "Exec", "Look", "WaitFor"}


def test_a_playbook_that_only_observes_may_only_ask() -> None:
    allowance = compiled([playbook(STEPS, mode="observe")], SYSTEMD).each["heal-shop"]
    assert allowance.acts == frozenset()
    assert {step.argv[1] for step in allowance.looks if isinstance(step, Exec)} == {"show"}
    looks = playbook("- collect: [memory]", mode="observe", verify="{}")
    assert len(compiled([looks], SYSTEMD).each["heal-shop"].looks) == 1, "what only looks may look"


IRREVERSIBLE = "- remove_old: {roots: [/srv/spool], patterns: ['*'], age: 1d}"


@pytest.mark.parametrize(
    ("steps", "mode", "approval"),
    [
        (STEPS, "auto", 0),
        (STEPS, "approve", 1),
        (STEPS, "propose", 1),
        (IRREVERSIBLE, "auto", 1),
        ("- collect: [top]", "approve", 0),
    ],
)
def test_how_many_must_agree_and_to_what_stands_in_the_list(steps: str, mode: str, approval: int) -> None:
    book = playbook(steps, mode=mode)
    allowance = compiled([book], SYSTEMD).each["heal-shop"]
    assert (allowance.approval, allowance.plan) == (approval, digest(book, SYSTEMD))


def test_what_cannot_be_planned_here_has_no_place_and_says_so() -> None:
    allowed = compiled([playbook("- service: {name: shop, state: started}")], BARE)
    assert not allowed.each
    assert allowed.without[0].startswith("heal-shop: shop cannot be brought to started")


def test_a_step_that_fits_into_no_message_has_no_place_and_says_so() -> None:
    words = ", ".join("x" * 4000 for _ in range(20))
    assert len(words) > PACKET_BYTES_MAX
    allowed = compiled([playbook(f"- command: {{argv: [{words}]}}")], BARE)
    assert not allowed.each
    assert "too long for a message" in allowed.without[0]


def test_steps_of_one_run_are_counted_with_retries_and_loops() -> None:
    steps = "- command: {argv: [a, '{{ item }}']}\n  loop: [x, y]\n  retries: 3\n- command: {argv: [b]}"
    assert compiled([playbook(steps)], BARE).each["heal-shop"].acts_max == 2 * 4 + 1


def request(step: Step, book: str = "heal-shop", run: str = "r-1") -> Request:
    return Request(VERSION, "once", 1000, book, run, step, check=False)


def test_a_step_of_another_playbook_is_none_of_this_one() -> None:
    allowed = compiled([playbook("- command: {argv: [a]}"), *[]], BARE)
    assert refusal(request(Exec(("a",))), "once", allowed, 1000) == ""
    assert refusal(request(Exec(("b",))), "once", allowed, 1000) == "heal-shop has no such step"
    assert "no enabled playbook" in refusal(request(Exec(("a",)), "other"), "once", allowed, 1000)


@pytest.mark.parametrize(("age_ms", "fine"), [(0, True), (60_000, True), (60_001, False), (-1, False)])
def test_a_plan_is_good_for_a_minute(age_ms: int, fine: bool) -> None:
    allowed = compiled([playbook("- command: {argv: [a]}")], BARE)
    assert (refusal(request(Exec(("a",))), "once", allowed, 1000 + age_ms) == "") is fine


HOUR_MS: Final = 3_600_000


def two_budgets() -> Allowance:
    allowance = compiled([playbook(guard="{at_most: [2 per 1h, 3 per 24h]}")], BARE).each["heal-shop"]
    assert allowance.budgets == Budgets((Budget(2, Duration(HOUR_MS)), Budget(3, Duration(24 * HOUR_MS))))
    return replace(allowance, target=())


def starts(*each: Start) -> Past:
    return Past({one.run: one for one in each})


def ago(hours: float, ask: str = "", target: tuple[str, ...] = (), book: str = "heal-shop") -> Start:
    return Start(f"{book}-{hours}", book, target, NOW_MS - int(hours * HOUR_MS), ask=ask)


NOBODY: Final = Consent()
ADA: Final = Consent("ask-1", ("ada",))


def test_budgets_are_counted_by_playbook_and_target() -> None:
    allowance = replace(two_budgets(), target=("service:shop",))
    mine = partial(ago, target=allowance.target)
    assert overdrawn(allowance, "new", starts(mine(0.1)), NOBODY, NOW_MS) == ""
    crowded = starts(mine(0.1), mine(0.2))
    for said in (NOBODY, ADA):
        assert "2 runs in 1h, which is all" in overdrawn(allowance, "new", crowded, said, NOW_MS)
    others = starts(ago(0, target=("other",)), ago(0, target=allowance.target, book="other"))
    assert overdrawn(allowance, "new", others, NOBODY, NOW_MS) == ""


def test_beyond_the_budget_that_latches_somebody_must_agree_and_the_count_begins_anew() -> None:
    allowance = two_budgets()
    full = starts(ago(2), ago(3), ago(4))
    because = "heal-shop has had 3 runs in 1d, beyond which one person must agree, and nobody did"
    assert overdrawn(allowance, "new", full, NOBODY, NOW_MS) == because
    assert overdrawn(allowance, "new", full, ADA, NOW_MS) == ""
    assert overdrawn(allowance, "new", starts(ago(2), ago(3)), NOBODY, NOW_MS) == ""
    anew = (ago(9), ago(8), ago(7), ago(6, "ask-1"), ago(4))
    assert overdrawn(allowance, "new", starts(*anew), NOBODY, NOW_MS) == ""
    assert overdrawn(allowance, "new", starts(*anew, ago(2)), NOBODY, NOW_MS) == because


_HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "; reboot",
        "$(id)",
        "`id`",
        "a\nb",
        "-rf",
        "--",
        "../../etc",
        "\0",
        "{{ item }}",
        "{% x %}",
        "%s%n",
        "$HOME",
    ]
)


# What has broken out of shells, templates, formats, paths and parsers.
BREAKOUTS: Final = (
    "; reboot", "$(id)", "`id`", "| sh", "&& id", "\n", "\r\n", "\t", "-rf", "--", "-x", "../../etc/passwd",
    "/", "~root", "*", "?", "[a-z]", "{a,b}", "$HOME", "${IFS}", "%s%n", "%(x)s", "{0.__class__}",
    "{{ item }}", "{{ labels.x }}", "{% raw %}", "#{7*7}", "<%= 7 %>", "\\", "'", '"', "''",
    "\x1b[2J", "\x7f", "\u2028", "\u202e", "é", "\U0001f600", "a" * 500, "true", "null", "!!python/object",
    "&a *a", "<<: *a", "0", "",
)  # fmt: skip


def hostile(count: int) -> list[str]:
    """The first so many of the breakouts, then of their pairs."""
    pairs = (f"{one}{other}" for one in BREAKOUTS for other in BREAKOUTS)
    return list(islice(chain(BREAKOUTS, pairs), count))


def test_two_thousand_hostile_labels_reach_no_word_of_any_program(tmp_path: Path) -> None:
    """Every program that is started writes down its words as the kernel has them."""
    program = tmp_path / "trace"
    program.write_text(f"#!/bin/sh\ncat /proc/$$/cmdline >>{tmp_path}/seen; echo >>{tmp_path}/seen\n")
    program.chmod(0o755)
    steps = f"- command: {{argv: [{program}, '{{{{ item }}}}', '$(id)', '*']}}\n  loop: [fast, slow]"
    book = playbook(steps + "\n  when: labels.l0 is defined", guard="{at_most: 100 per 1h}")
    strings = hostile(2000)
    assert len(set(strings)) > 1900
    with serving(tmp_path, book) as service, closing(Journal(tmp_path / "runs.db")) as journal:
        hand = service.client.of("heal-shop")
        for number in range(40):
            labels = {f"l{n}": text for n, text in enumerate(strings[number * 50 : number * 50 + 50])}
            firing = stage.alert(Labels.of({**labels, "alertname": "ShopDown"}))
            run = replace(begun(book, firing, NOW_MS), id=f"run-{number}")
            journal.save(run)
            reins = Reins(lambda: "", lambda: "", lambda: False, lambda _: None, lambda: NOW_MS)
            done = carry(Errand(run.id, book, BARE, known(firing, BARE)), hand, journal, reins)
            assert (done.trouble, done.steps) == ("", 2)
    words = [[str(program), item, "$(id)", "*"] for item in ("fast", "slow")]
    # A script's interpreter and its path stand before the words that it is given.
    expected = ["\0".join(["/bin/sh", *one, ""]) for one in words] * 40
    assert (tmp_path / "seen").read_text().splitlines() == expected


class Recorder:
    """A hand that takes nothing and remembers everything."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def carry_out(self, step: Step, _stopped: object, _run: str = "", *, check: bool = False) -> Result:
        self.steps.append(step)
        return Result(ok=True, output="x", rc=0)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), _HOSTILE, max_size=6))
def test_no_label_changes_a_step_that_is_taken(labels: dict[str, str]) -> None:
    book = playbook(STEPS)
    hand = Recorder()
    firing = stage.alert(Labels.of({**labels, "alertname": "ShopDown"}))
    with_labels = begun(book, firing, NOW_MS)
    journal = Journal(":memory:")  # type: ignore[arg-type]  # SQLite's word for no file at all
    try:
        journal.save(with_labels)
        reins = Reins(lambda: "", lambda: "", lambda: False, lambda _: None, lambda: NOW_MS)
        carry(Errand(with_labels.id, book, BARE, known(firing, BARE)), hand, journal, reins)
    finally:
        journal.close()
    allowance = compiled([book], BARE).each["heal-shop"]
    assert set(hand.steps) <= allowance.acts | allowance.looks
