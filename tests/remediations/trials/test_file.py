"""Mistakes in files of playbook tests are told with their place and their cure, all at once."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from remediations.trials.file import bound, load_trials
from tests.remediations.stage import playbook
from tests.remediations.trials.world import trial


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("expct: {}", "t.yml:6:3: unknown key 'expct'; did you mean 'expect'?"),
        ("expect: {}", "t.yml:6:11: nothing is expected"),
        ("expect: {outcome: fixd}", "t.yml:6:21: expected one of fixed, "),
        ("expect: {outcome: recurred}", "t.yml:6:12: a test ends before anything can recur"),
        ("expect: {guard: cooldwn}", "t.yml:6:19: there is no guard 'cooldwn'; did you mean 'cooldown'?"),
        ("expect: {refused: x, steps: []}", "t.yml:6:24: what is refused takes no step"),
        ("commands: [{run: ''}]", "t.yml:6:21: the command is empty"),
        ("commands: [{run: say 'x}]", 't.yml:6:20: "say \'x" is no command'),
        ("commands: [{run: x, rc: 256}]", "t.yml:6:23: an exit code is a number from 0 to 255"),
        ("commands: [{run: x, takes: 2d}]", "t.yml:6:23: nothing takes longer than 1d"),
        ("history: [{ago: 1m, took: 2m}]", "t.yml:6:23: it would have ended after the test began"),
        ("effect: [{at: 2s}, {at: 1s}]", "t.yml:6:3: the effects are not in the order of time"),
        ("mode: atuo", "t.yml:6:9: expected one of"),
        ("facts: {has_systemd: maybe}", "t.yml:6:24: expected true or false"),
    ],
)
def test_a_mistake_is_told_with_its_place(line: str, told: str) -> None:
    with pytest.raises(Rejected) as refused:
        trial(line if "exp" in line else f"{line}\nexpect: {{outcome: fixed}}")
    assert told in str(refused.value)


def test_an_alert_needs_a_name() -> None:
    with pytest.raises(Rejected, match=r"t\.yml:5:11: the alert has no name; add alertname"):
        trial("expect: {outcome: fixed}", alert="{labels: {job: x}}")


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(Rejected) as refused:
        trial("mode: atuo\ncommands: [{run: x, rc: y}]\nexpect: {outcome: fixd}")
    assert len(refused.value.problems) == 3


def test_a_test_of_an_unknown_playbook_is_refused() -> None:
    test = "- {name: n, playbook: heal-shp, alert: {labels: {alertname: A}}, expect: {steps: []}}"
    trials = load_trials(f"playbooks: [x.yml]\nplaybook_tests:\n{test}\n".encode(), "t.yml")
    with pytest.raises(Rejected, match=r"t\.yml:3:3: no playbook here is called 'heal-shp'; did you mean"):
        bound(trials, [playbook()])
