"""A notice to many waits for people's word, nobody drowns in messages, and what was spared is summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from desk.incident.incident import Signal
from desk.notice import attention, holding
from desk.notice.holding import Held, Human, NotHeld
from desk.store.backing import Backing
from tests.desk import town
from tests.desk.leaves import furnish, post
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ACTING, ADA, BEN, FIXED, ON_CALL

HOUR_MS = 3_600_000
SERVICES = tuple(f"s{number}" for number in range(25))
CROWD = """\
services:
- service: checkout
  owner: payments
  shows: ['service="checkout"']
  impact:
  - {{when: 'alertname="CheckoutDown"', impact: major, affects: uses}}
  - {{when: 'alertname="CheckoutSlow"', impact: degraded, affects: uses}}
  - {{when: 'alertname="AllDown"', impact: major, affects: everyone}}
- service: search
customers:
- customer: acme
  uses: [checkout]
  people:
{people}
- customer: birch
  uses: [search]
  people: [{{name: Zoe, email: zoe@birch.example}}]
teams:
- {{team: payments, email: oncall@shop.example}}
""".format(people="\n".join(f"  - {{name: P, email: p{n}@acme.example}}" for n in range(150)))
MANY = (
    "services:\n"
    + "".join(
        f"- service: {name}\n  impact:\n  - {{when: 'alertname=\"Slow\"', impact: degraded, affects: uses}}\n"
        f"  - {{when: 'alertname=\"Down\"', impact: major, affects: uses}}\n"
        for name in SERVICES
    )
    + f"customers:\n- customer: acme\n  uses: [{', '.join(SERVICES)}]\n  people:\n"
    "  - {name: Ada, email: ada@acme.example}\n"
)

Made = Callable[[str], Stage]


@pytest.fixture
def made(backing: Backing) -> Iterator[Made]:
    """A way to a desk with another catalogue, on either database."""
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(stage_on(backing, text))


def held(stage: Stage) -> list[Held]:
    with stage.store.reading() as conn:
        return holding.waiting(conn)


def released(stage: Stage, by: str, count: int, *, proven: bool = True) -> Held:
    [one] = held(stage)
    human = Human(by, by.casefold() if proven else "")
    let_go = partial(holding.release, notice=one.notice, human=human, count=count, now_ms=stage.now_ms)
    return stage.store.written(let_go)


def of(service: str, name: str = "Slow", at_ms: int = town.NOW_MS) -> Signal:
    return town.signal(name, at_ms=at_ms, service=service, lasts_ms=40 * HOUR_MS)


def customers(stage: Stage) -> list[str]:
    return [message.to for message in stage.sent if message.to != ON_CALL]


def test_a_major_of_one_service_goes_to_all_who_use_it_at_once(made: Made) -> None:
    stage = made(CROWD)
    stage.hear(town.signal())
    stage.deliver(500)
    assert len(customers(stage)) == 150


def test_a_notice_to_many_waits_for_one_human_and_the_team_hears_so(made: Made) -> None:
    stage = made(CROWD)
    stage.hear(town.signal("CheckoutSlow"))
    stage.pass_ms(61_000)
    assert customers(stage) == []
    [waits] = held(stage)
    assert (waits.people, waits.needs, waits.state) == (150, 1, "held")
    [call] = post(stage)
    assert call.to == ON_CALL
    assert "A notice waits for the word of one human: 150 people are more than 100" in call.text
    assert f"POST /api/v1/notices/{waits.notice}/release with by, and count 150." in call.text
    with pytest.raises(NotHeld, match="goes to 150 people, not to 15"):
        released(stage, "Eve", 15)
    assert released(stage, "Eve", 150, proven=False).state == "released"
    stage.pass_ms(119_000)
    assert customers(stage) == []
    stage.pass_ms(1_000)
    stage.deliver(500)
    assert len(customers(stage)) == 150


def test_a_notice_to_everyone_takes_two_different_humans(made: Made) -> None:
    stage = made(CROWD)
    stage.hear(town.signal("AllDown"))
    assert released(stage, "Eve", 151).state == "held"
    with pytest.raises(NotHeld, match="it takes 2 different people"):
        released(stage, "eve", 151)
    with pytest.raises(NotHeld, match="it takes 2 people, and a name proves nobody"):
        released(stage, "Bob", 151, proven=False)
    assert set(released(stage, "Bob", 151).released_by) == {"Eve", "Bob"}
    stage.pass_ms(120_000)
    stage.deliver(500)
    assert len(customers(stage)) == 151


def test_a_word_given_can_be_taken_back_before_it_leaves_and_not_after(made: Made) -> None:
    stage = made(CROWD)
    stage.hear(town.signal("CheckoutSlow"))
    notice = released(stage, "Eve", 150).notice
    undo = partial(holding.cancel, notice=notice, by="Bob", now_ms=stage.now_ms)
    assert stage.store.written(undo).state == "cancelled"
    stage.pass_ms(600_000)
    assert customers(stage) == []
    with pytest.raises(NotHeld, match="cancelled already"):
        stage.store.written(undo)


def test_what_is_over_while_it_waits_is_never_sent(made: Made) -> None:
    stage = made(CROWD)
    signal = town.signal("CheckoutSlow")
    stage.hear(signal)
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms))
    stage.pass_ms(600_000)
    assert customers(stage) == []
    assert held(stage) == []


def test_nobody_gets_more_than_three_first_notices_an_hour_and_the_rest_is_summed_up(made: Made) -> None:
    stage = made(MANY)
    for service in SERVICES[:5]:
        stage.hear(of(service, "Down"))
        stage.pass_ms(301_000)
    assert len(stage.letters(ADA)) == 3
    assert post(stage) == []
    stage.pass_ms(HOUR_MS)
    [summary] = post(stage)
    assert summary.to == ADA
    assert "s3 does not work since" in summary.text
    assert "s4 does not work since" in summary.text
    assert "so that many events do not make many messages" in summary.text


def test_in_a_storm_one_notice_stands_for_all_and_the_rest_is_summed_up(made: Made) -> None:
    stage = made(MANY)
    for service in SERVICES[:21]:
        stage.hear(of(service, "Slow"))
    for service in SERVICES[21:]:
        stage.hear(of(service, "Down"))
    stage.pass_ms(61_000)
    assert len(stage.letters(ADA)) == 3
    stage.pass_ms(HOUR_MS)
    [summary] = post(stage)
    assert summary.text.count(" since ") == 22


def test_trifles_use_up_the_budget_and_what_is_major_never_waits_for_it(made: Made) -> None:
    stage = made(MANY)
    for number in range(16):
        stage.hear(of(SERVICES[number], "Slow", stage.now_ms))
        stage.pass_ms(61_000)
        stage.pass_ms(12 * HOUR_MS)
    first = [one for one in stage.letters(ADA) if "In-Reply-To" not in dict(one.headers)]
    assert len(first) == 15
    with stage.store.reading() as conn:
        [row] = attention.by_rule(conn, stage.now_ms)
    assert (row["rule"], row["notices"], row["people"], row["put_off"]) == ("Slow", 16, 15, 1)
    assert row["spent"] == 60
    before = len(stage.letters(ADA))
    stage.hear(of(SERVICES[20], "Down", stage.now_ms))
    stage.deliver()
    assert len(stage.letters(ADA)) == before + 1


def test_whoever_wants_it_reads_once_a_day_what_was_healed_in_time(stage: Stage) -> None:
    wants = town.CATALOGUE.replace("email: ben@acme.example}", "email: ben@acme.example, digest: daily}")
    furnish(stage, catalogue=wants)
    for _ in range(2):
        signal = town.signal("CheckoutSlow", at_ms=stage.now_ms, region="eu", remedy=ACTING)
        stage.hear(signal)
        stage.now_ms += 5_000
        stage.hear(town.ended(signal, stage.now_ms, FIXED))
        stage.pass_ms(3 * HOUR_MS // 2)
    assert stage.sent == []
    stage.pass_ms(3 * HOUR_MS)
    found = post(stage)
    assert [one.to for one in found] == [BEN]
    assert found[0].subject == "[Example Shop] Summary of 2026-07-14"
    assert "Checkout had a fault at 03:33 UTC. It was repaired after" in found[0].text
    assert "because you want one a day" in found[0].text
    stage.pass_ms(24 * HOUR_MS)
    assert post(stage) == []


def test_words_that_a_rule_must_not_say_are_not_said_and_the_team_hears_why(stage: Stage) -> None:
    stage.hear(town.signal(annotations={"notice": "It will be fixed by noon."}))
    stage.deliver()
    assert "Checkout does not work at the moment." in stage.letters(BEN)[0].text
    [call] = post(stage)
    assert call.to == ON_CALL
    assert "The rule's own words are not shown to customers: the notice holds a promise" in call.text


def test_a_drill_says_so_to_everybody(stage: Stage) -> None:
    stage.hear(town.signal(drill="true"))
    stage.deliver()
    [letter] = stage.letters(BEN)
    assert letter.subject == "[TEST] [Example Shop] Checkout does not work"
    assert letter.text.startswith("This is a test. Nothing is wrong.")
    stage.hear(town.signal(drill="true"), town.signal(instance="web2"))
    stage.pass_ms(61_000)


def test_a_real_alert_makes_a_drill_real(stage: Stage) -> None:
    stage.hear(town.signal(drill="true"), town.signal())
    stage.deliver()
    assert stage.letters(BEN)[0].subject == "[Example Shop] Checkout does not work"
