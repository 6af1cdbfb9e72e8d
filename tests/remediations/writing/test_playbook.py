from __future__ import annotations

from pathlib import Path

import pytest

from model.duration import seconds
from model.labels import Labels
from model.misfit import Rejected
from model.step import Exec, Host
from remediations import playbooks
from remediations.budget import Budget, Budgets
from remediations.writing.playbook import ApprovalTerms, Mode, Never, answering, load_playbook, together
from tests.remediations import stage

WHOLE = """\
playbook: restart-web-server
summary: Bring nginx back after it died or stopped answering.
on: ['alertname=~"CheckoutDown|NginxDown"', 'service="shop", severity="critical"']
mode: auto
guard:
  cooldown: 5m
  at_most: 3 per 1h
  hosts_at_once: 10%
  never_when: [human_intent, maintenance, freeze]
steps:
- collect: [journal, sockets, top]
- name: test the configuration
  command: {argv: [nginx, -t]}
  timeout: 7s
- service: {name: nginx, state: restarted}
verify: {expr: 'probe_success{service="checkout"} == 1', within: 60s, hold: 20s}
otherwise: escalate
"""
LEAST = """\
playbook: a
summary: A.
on: ['alertname="A"']
steps:
- service: {name: nginx, state: started}
verify: {}
"""


def refused(text: str) -> list[str]:
    with pytest.raises(Rejected) as rejected:
        load_playbook(text.encode(), "p.yml")
    return [str(problem) for problem in rejected.value.problems]


def test_the_playbook_of_the_design_is_taken_whole() -> None:
    playbook = load_playbook(WHOLE.encode(), "p.yml")
    assert playbook.mode is Mode.AUTO
    assert playbook.guard.at_most == Budgets((Budget(3, seconds(3600)),))
    assert playbook.target == ("command:nginx", "service:nginx")
    assert not playbook.read_only
    assert playbook.verify is not None
    assert playbook.verify.expr is not None
    assert playbook.verify.expr.text == 'probe_success{service="checkout"} == 1'
    assert str(playbook.verify.expr.at(0)) == "p.yml:16:17"


def test_a_new_playbook_only_proposes_and_every_guard_is_on() -> None:
    playbook = load_playbook(LEAST.encode(), "p.yml")
    assert playbook.mode is Mode.PROPOSE
    assert playbook.guard.cooldown == seconds(600)
    assert str(playbook.guard.at_most) == "3 per 1h, 6 per 1d"
    assert playbook.guard.never_when == tuple(Never)


def test_the_steps_are_planned_in_order_with_their_own_time_limit() -> None:
    planned = load_playbook(WHOLE.encode(), "p.yml").plan(Host(has_systemd=True))
    assert [one.number for one in planned] == list(range(1, 7))
    assert planned[3].step == Exec(("nginx", "-t"), timeout_s=7)
    assert [one.begins for one in planned] == [True, False, False, True, True, False]


def test_any_of_the_matcher_lists_brings_the_playbook() -> None:
    playbook = load_playbook(WHOLE.encode(), "p.yml")
    assert answering([playbook], Labels.of(alertname="NginxDown")) == (playbook,)
    assert answering([playbook], Labels.of(alertname="X", service="shop", severity="critical")) == (playbook,)
    assert answering([playbook], Labels.of(alertname="X", service="shop")) == ()


def test_who_must_approve_is_read_with_its_time() -> None:
    playbook = load_playbook((LEAST + "guard: {approval: {within: 5m, by: 2}}").encode(), "p.yml")
    assert playbook.guard.approval == ApprovalTerms(seconds(300), 2)
    usual = load_playbook((LEAST + "mode: approve").encode(), "p.yml").guard.approval
    assert usual == ApprovalTerms(seconds(900), None)


STEP = "- service: {name: nginx, state: started}"
APPROVED_BY_NOBODY = "mode: approve\nguard: {approval: {by: 0, because: it is safe}}"
OF_MANY = "- sync_time: {}\nguard: {hosts_at_once: 10%, approval: {by: 1}}"
MATCHERS = """['alertname="A"']"""


@pytest.mark.parametrize(
    ("old", "new", "where", "sentence"),
    [
        (MATCHERS, "[]", "3:1", "a playbook answers to some alerts"),
        (MATCHERS, """['a=~".*"']""", "3:1", "these matchers ask for no label"),
        (MATCHERS, "['']", "3:7", "expected a label name"),
        ("verify: {}\n", "", "1:1", "a playbook that changes something needs verify"),
        ("playbook: a", "playbook: A b", "1:11", "'A b' is not a playbook's name"),
        ("- service", "- servce", "5:3", "unknown action 'servce'"),
        ("verify: {}", "verify: {hold: 5m}", "6:10", "the hold of 5m is longer than within"),
        ("verify: {}", "verify: {within: 0s, hold: 0s}", "6:10", "the proof is awaited for"),
        ("verify: {}", "verify: {expr: ''}", "6:17", "an expression is a text"),
        ("$", "guard: {at_most: 0 per 1h}", "7:18", "a budget is 1 to 100 runs"),
        ("$", "guard: {at_most: 3/h}", "7:18", "'3/h' is not a budget"),
        ("$", "guard: {at_most: [6 per 24h, 3 per 1h]}", "7:18", "budgets are 1 to 5, each over a longer"),
        ("$", "guard: {at_most: []}", "7:18", "budgets are 1 to 5"),
        ("$", "guard: {at_once: 0}", "7:9", "at_once is 1 to 4 runs"),
        ("$", """guard: {unless: ['a=~".*"']}""", "7:9", "these matchers ask for no label, so it would"),
        ("$", "guard: {hosts_at_once: 0%}", "7:24", "'0%' is not a number of hosts"),
        ("$", "guard: {never_when: [lunch]}", "7:22", "expected one of human_intent"),
        ("$", "otherwise: panic", "7:12", "expected one of escalate, nothing"),
        ("$", "gaurd: {}", "7:1", "unknown key 'gaurd'"),
        ("$", "mode: Auto", "7:7", "expected one of observe, propose, approve, auto"),
        ("$", "guard: {approval: none}", "7:19", "expected a mapping"),
        ("$", "guard: {approval: {by: 6}}", "7:20", "a run is approved by 0 to 5 people"),
        ("$", "guard: {approval: {by: 0}}", "7:20", "by: 0 lets it do what cannot be undone, and does not"),
        ("$", "guard: {approval: {by: 1, because: x}}", "7:27", "because says why nobody must approve"),
        ("$", "guard: {approval: {within: 2d}}", "7:20", "an approval is waited for from 1s to 1d"),
        ("$", APPROVED_BY_NOBODY, "1:1", "mode: approve and by: 0 contradict each other"),
        (STEP, OF_MANY, "1:1", "what cannot be undone on several hosts at once is approved by two"),
        (STEP, "- {}", "5:3", "a step has one action, got 0"),
        (STEP, "- nginx", "5:3", "a step is a mapping"),
        (STEP, f"{STEP}\n  timeout: 1h", "6:3", "a step may take 100ms to 600s"),
        (STEP, f"{STEP}\n  collect: [df]", "5:3", "a step has one action, got 2"),
    ],
)
def test_a_mistake_is_named_at_its_place(old: str, new: str, where: str, sentence: str) -> None:
    [problem] = refused(LEAST + new if old == "$" else LEAST.replace(old, new))
    assert problem.startswith(f"p.yml:{where}: {sentence}"), problem
    assert "; " in problem


def test_every_mistake_is_named_at_once() -> None:
    wrong = LEAST.replace("nginx", "sshd").replace("A.", "12").replace("{}", "{within: soon}")
    assert len(refused(wrong + "mode: approved")) == 4


def test_a_playbook_that_only_looks_needs_no_proof() -> None:
    text = LEAST.replace("service: {name: nginx, state: started}", "collect: [top]").replace(
        "verify: {}\n", ""
    )
    playbook = load_playbook(text.encode(), "p.yml")
    assert playbook.read_only
    assert playbook.target == ()


def test_two_playbooks_of_one_name_are_refused_with_both_places() -> None:
    one, two = load_playbook(LEAST.encode(), "a.yml"), load_playbook(LEAST.encode(), "b.yml")
    assert together([one]) == (one,)
    with pytest.raises(Rejected, match=r"b\.yml:1:1: the playbook 'a' is given twice, first in a\.yml:1:1"):
        together([one, two])


SHIPPED = sorted(
    file for file in Path(playbooks.__path__[0]).glob("*.yml") if not file.name.endswith(".test.yml")
)


SAFE = ("free-disk-space", "renew-certificate", "restart-unhealthy-container", "sync-clock")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_playbook_that_ships_loads_plans_and_only_proposes_save_what_is_safe(file: Path) -> None:
    playbook = load_playbook(file.read_bytes(), file.name)
    assert playbook.playbook == file.stem
    safe = playbook.playbook in SAFE
    assert playbook.mode is (Mode.AUTO if safe else Mode.PROPOSE)
    assert playbook.plan(Host(has_systemd=True))


def test_the_examples_for_daemons_plan_without_systemd_as_well() -> None:
    for name in ("restart-nginx", "restart-redis", "gather-evidence"):
        file = Path(playbooks.__path__[0]) / f"{name}.yml"
        assert load_playbook(file.read_bytes(), file.name).plan(Host(has_systemd=False))


def test_the_playbook_of_the_stage_is_one() -> None:
    assert stage.playbook().mode is Mode.AUTO
