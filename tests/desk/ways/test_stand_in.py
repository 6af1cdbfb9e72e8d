"""Where nobody at a customer can be reached, one other person there is told, and told why."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa

from desk.delivery import suppression
from desk.delivery.bounce import Bounce
from desk.store.backing import Backing
from desk.ways.stand_in import Tried, unreached
from model.plugin import Undelivered
from tests.desk import town
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ACTING, ADA, BEN, CLEO, FIXED

BOSS = "boss@acme.example"
CATALOGUE = town.CATALOGUE.replace(
    "  tier: gold\n",
    f"  tier: gold\n  alternate: {{name: Bo, email: {BOSS}, language: de, zone: Europe/Berlin}}\n",
)
GONE = Undelivered("550 5.1.1 no such user", permanent=True)


@pytest.fixture
def stage(backing: Backing) -> Iterator[Stage]:
    with stage_on(backing, CATALOGUE) as made:
        yield made


def break_down(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING, lasts_ms=3_600_000))


def test_while_anybody_is_reached_nobody_stands_in(stage: Stage) -> None:
    break_down(stage)
    stage.failures = [GONE]
    stage.deliver()
    stage.pass_ms(60_000)
    assert sorted(one.to for one in stage.sent) == [BEN, CLEO]


def test_where_nobody_is_reached_another_is_told_why_and_hears_the_end(stage: Stage) -> None:
    break_down(stage)
    stage.failures = [GONE, GONE]
    stage.deliver()
    stage.pass_ms(60_000)
    [letter] = stage.letters(BOSS)
    assert letter.text.startswith("Wir konnten bei acme niemanden sonst erreichen")
    assert "niemanden sonst" in letter.html
    stage.pass_ms(60_000)
    assert len(stage.letters(BOSS)) == 1
    [told] = [one for one in stage.incident()["told"] if one["email"] == BOSS]
    assert told["reason"] == "None of the people of acme can be reached."
    stage.hear(town.ended(town.signal(remedy=ACTING), stage.now_ms, FIXED))
    stage.pass_ms(60_000)
    assert len(stage.letters(BOSS)) == 2
    with stage.store.reading() as conn:
        [row] = conn.execute(sa.text("select customer, reason from stand_in")).all()
    assert row.customer == "acme"


def test_mail_that_comes_back_later_counts_as_well(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    for person in (ADA, BEN):
        bounce = Bounce(person, "5.1.1", "no such user")
        stage.store.written(partial(suppression.report, found=bounce, now_ms=stage.now_ms))
    stage.pass_ms(1_000)
    assert len(stage.letters(BOSS)) == 1


def test_who_wants_no_messages_is_not_replaced(stage: Stage) -> None:
    stage.leave(ADA)
    stage.leave(BEN)
    break_down(stage)
    stage.deliver()
    stage.pass_ms(60_000)
    assert stage.letters(BOSS) == []


@pytest.mark.parametrize(
    ("tried", "lost"),
    [
        ([], False),
        ([Tried(1, "email", "failed", False, False)], True),
        ([Tried(1, "email", "", False, False)], False),
        ([Tried(1, "email", "retrying", True, False)], False),
        ([Tried(1, "email", "skipped", True, False)], True),
        ([Tried(1, "email", "skipped", False, False)], False),
        ([Tried(1, "email", "accepted", True, False), Tried(1, "webhook", "accepted", True, False)], False),
        ([Tried(1, "email", "failed", False, False), Tried(2, "email", "skipped", False, True)], True),
        ([Tried(2, "email", "skipped", False, True)], False),
    ],
)
def test_only_who_is_lost_by_every_way_is_not_reached(tried: list[Tried], lost: bool) -> None:
    assert unreached(tried) is lost
