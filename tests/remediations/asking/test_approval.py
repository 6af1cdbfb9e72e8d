"""What people are asked, and when their answers are enough."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.grant import Grant, genuine, sealed
from model.labels import Labels
from remediations.asking.approval import (
    TOLD_BYTES_MAX,
    Ask,
    Stands,
    digest,
    needed,
    person,
    risk_class,
    shown,
    standing,
    unfit,
)
from tests.remediations import stage
from tests.remediations.stage import BARE, NOW_MS

KEY = bytes(32)
MINUTE = 60_000
FOREVER = "- remove_old: {roots: [/var/tmp/shop], patterns: ['*.log'], age: 1d}"
PLAIN = "- command: {argv: ['true']}"
ASK = Ask(
    id="0" * 32,
    host="web1",
    playbook="heal-shop",
    plan="1" * 64,
    labels=Labels.of(alertname="ShopDown"),
    fired_ms=NOW_MS,
    risk="R1",
    needs=1,
    asked_ms=NOW_MS,
    until_ms=NOW_MS + 15 * MINUTE,
    because="heal-shop acts once approved by one person",
    steps=("run true",),
)


def say(by: str, *, yes: bool = True, after_ms: int = MINUTE) -> Grant:
    return sealed(ASK.answer(by, NOW_MS + after_ms, yes=yes), KEY)


def believed(grant: Grant) -> bool:
    return genuine(grant, KEY)


def test_one_yes_is_enough_where_one_is_needed() -> None:
    found = standing(ASK, [say("ada")], NOW_MS + 2 * MINUTE)
    assert (found.stands, found.sentence) == (Stands.ENOUGH, "ada approved heal-shop")
    assert found.grants == (say("ada"),)


def test_nobody_and_too_few_are_waited_for_and_named() -> None:
    waited = standing(ASK, [], NOW_MS)
    assert waited.stands is Stands.WAITING
    assert waited.sentence == (
        "heal-shop waits for one person to approve it until 22:28:20 UTC:"
        " heal-shop acts once approved by one person"
    )
    half = standing(replace(ASK, needs=2), [say("ada")], NOW_MS)
    assert half.stands is Stands.WAITING
    assert "waits for 2 different people to approve it until 22:28:20 UTC, ada did so far" in half.sentence


@pytest.mark.parametrize("again", ["ada", "ADA", " ada", "ada@shop.example"])
def test_the_same_person_twice_is_one_person(again: str) -> None:
    two = replace(ASK, needs=2)
    assert standing(two, [say("ada"), say(again)], NOW_MS).stands is Stands.WAITING
    found = standing(two, [say("ada"), say(again), say("ben")], NOW_MS)
    assert (found.stands, len(found.grants)) == (Stands.ENOUGH, 2)


def test_one_no_ends_it_whoever_agreed() -> None:
    found = standing(ASK, [say("ada"), say("ben", yes=False)], NOW_MS + 2 * MINUTE)
    assert (found.stands, found.sentence) == (Stands.DENIED, "ben denied heal-shop at 22:14:20 UTC")
    assert found.grants == ()


def test_silence_until_the_end_is_a_no_even_where_some_agreed() -> None:
    late = standing(ASK, [], ASK.until_ms)
    assert (late.stands, late.sentence) == (
        Stands.LATE,
        "nobody approved heal-shop until 22:28:20 UTC, which means no",
    )
    assert standing(ASK, [say("ada")], ASK.until_ms).stands is Stands.LATE
    assert "only ada approved" in standing(replace(ASK, needs=2), [say("ada")], ASK.until_ms).sentence


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (replace(say("ada"), host="web2"), "it was given for another host"),
        (replace(say("ada"), playbook="other"), "it was given for another playbook"),
        (replace(say("ada"), plan="2" * 64), "it was given for another plan"),
        (replace(say("ada"), ask="3" * 32), "it was given for another ask"),
        (replace(say("ada"), by="ben"), "its seal is not genuine"),
        (replace(say("ada"), yes=False), "its seal is not genuine"),
        (replace(say("ada"), seal=""), "its seal is not genuine"),
        (sealed(say("ada"), bytes(31) + b"1"), "its seal is not genuine"),
        (say("ada", after_ms=15 * MINUTE), "it was given after 22:28:20 UTC"),
        (say(""), "it does not say who gave it"),
        (say("@shop.example"), "it does not say who gave it"),
        (say("ada\nben"), "it does not say who gave it"),
        (say("a" * 201), "it does not say who gave it"),
    ],
)
def test_an_answer_to_something_else_or_of_nobody_is_none(answer: Grant, because: str) -> None:
    assert unfit(ASK, answer, believed) == because


def test_a_genuine_answer_is_fit() -> None:
    assert unfit(ASK, say("ada"), believed) == ""
    assert person("Ada@shop.example ") == "ada"


@pytest.mark.parametrize(
    ("steps", "mode", "guard", "risk", "count"),
    [
        ("- collect: [top]", "approve", "{}", "R0", 0),
        (PLAIN, "auto", "{}", "R1", 0),
        (PLAIN, "approve", "{}", "R1", 1),
        (PLAIN, "propose", "{}", "R1", 1),
        (PLAIN, "auto", "{approval: {by: 2}}", "R1", 2),
        (PLAIN, "approve", "{approval: {by: 2}}", "R1", 2),
        (FOREVER, "auto", "{}", "R2", 1),
        (FOREVER, "auto", "{approval: {by: 0, because: they are copies}}", "R2", 0),
        (FOREVER, "approve", "{hosts_at_once: 1}", "R2", 1),
        (FOREVER, "auto", "{hosts_at_once: 10%}", "R3", 2),
        (FOREVER, "auto", "{hosts_at_once: 2, approval: {by: 3}}", "R3", 3),
    ],
)
def test_how_many_must_agree_follows_from_mode_and_risk(
    steps: str, mode: str, guard: str, risk: str, count: int
) -> None:
    playbook = stage.playbook(steps, mode=mode, guard=guard)
    assert (risk_class(playbook), needed(playbook)) == (risk, count)


def test_another_step_or_another_name_is_another_plan() -> None:
    one = stage.playbook(PLAIN)
    assert digest(one, BARE) == digest(stage.playbook(PLAIN, mode="approve"), BARE)
    assert digest(one, BARE) != digest(stage.playbook("- command: {argv: ['false']}"), BARE)
    assert digest(one, BARE) != digest(stage.playbook(f"{PLAIN}\n{PLAIN}"), BARE)


def test_what_says_no_log_is_not_shown_and_many_steps_are_cut() -> None:
    secret = "- block:\n  - command: {argv: [login, hunter2]}\n  no_log: true\n- command: {argv: [ls]}"
    assert shown(stage.playbook(secret), BARE) == ("(no_log)", "run ls")
    many = shown(stage.playbook("\n".join([PLAIN] * 30)), BARE)
    assert (len(many), many[-1]) == (20, "and 11 steps more")


def test_the_desk_is_told_of_as_many_steps_as_fit() -> None:
    told = json.loads(ASK.told())
    assert told["ask"] == ASK.id
    assert set(told) == {
        "ask", "host", "playbook", "plan", "risk", "needs", "asked_ms", "until_ms", "because", "steps",
    }  # fmt: skip
    long = replace(ASK, steps=("é" * 200,) * 20, because="x" * 5000)
    assert len(long.told().encode()) <= TOLD_BYTES_MAX
    assert 0 < len(json.loads(long.told())["steps"]) < 20
