"""What people want, and what is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from model.step import HumanAct
from remediations.question import Allowed, Facts, Sight
from tests.remediations import stage
from tests.remediations.guards.asking import answer, refusal
from tests.remediations.stage import NOW_MS


@pytest.mark.parametrize("key", ["", "heal-shop"])
def test_a_hold_of_all_or_of_this_one_holds(key: str) -> None:
    refused = refusal(Facts(holds={key: "held back by ada until 14:05:00 UTC: tuning"}))
    assert (refused.guard, refused.reason) == ("hold", "held back by ada until 14:05:00 UTC: tuning")
    assert refused.retry_at_ms is not None


def test_a_hold_of_another_does_not() -> None:
    assert answer(Facts(holds={"other": "held back by ada"})) == Allowed()


@pytest.mark.parametrize("pause", ["warm-up", "doubt"])
def test_doubt_and_warm_up_hold_whatever_a_playbook_says_but_not_for_one_that_only_looks(pause: str) -> None:
    facts = Facts(pauses={pause: "not now"})
    refused = refusal(facts, playbook=stage.playbook(guard="{never_when: []}"))
    assert (refused.guard, refused.reason, refused.passing) == ("pause", "not now", True)
    assert answer(facts, playbook=stage.playbook("- collect: [top]")) == Allowed()


def test_maintenance_is_planned_so_nobody_is_called_however_long_it_lasts() -> None:
    assert refusal(Facts(pauses={"maintenance": "until 23:00"})).planned


def test_who_is_at_work_on_the_host_is_heeded_unless_the_playbook_says_otherwise() -> None:
    facts = Facts(at_work=HumanAct("apt is at work on this host", passing=True))
    assert refusal(facts).guard == "at_work"
    assert refusal(facts).passing
    assert answer(facts, playbook=stage.playbook(guard="{never_when: [human_intent]}")) == Allowed()


def test_what_the_desk_does_not_allow_is_not_done() -> None:
    refused = refusal(Facts(lease="2 of 10 hosts of shop are healing already"))
    assert (refused.guard, refused.passing) == ("lease", True)
    assert refused.reason == "2 of 10 hosts of shop are healing already"


def test_samples_older_than_two_intervals_are_too_old_to_act_upon() -> None:
    assert answer(Facts(sight=Sight(30_000, 15_000))) == Allowed()
    refused = refusal(Facts(sight=Sight(31_500, 15_000)))
    assert (refused.guard, refused.passing) == ("fresh", True)
    assert refused.reason == "the newest sample behind ShopDown is 31s old, though one is due every 15s"
    assert refused.retry_at_ms == NOW_MS + 15_000


def test_a_target_that_hangs_is_no_older_than_a_look_at_it_lasts() -> None:
    assert answer(Facts(sight=Sight(2_900, 1_000, 1_000))) == Allowed()
    refused = refusal(Facts(sight=Sight(3_100, 1_000, 1_000)))
    assert (refused.guard, refused.retry_at_ms) == ("fresh", NOW_MS + 1_000)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_proves_nothing(value: float) -> None:
    refused = refusal(alert=replace(stage.alert(), value=value))
    assert refused.guard == "fresh"
    assert refused.retry_at_ms is None
