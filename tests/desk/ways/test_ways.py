"""People are told by the ways they want, one after the other, until they have seen it; each is told once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery import suppression
from desk.delivery.bounce import Bounce
from desk.feedback.answers import put as answer
from desk.ledger.story import Answer
from desk.notice import leaflet
from desk.notice.compose import Letter
from desk.notice.leaflet import Leaflet
from desk.page.read import told_counts
from desk.store.backing import Backing
from desk.ways import seen, ways
from desk.ways.ways import Way, sound
from model.plugin import Message, Undelivered
from tests.desk import town
from tests.desk.ledger.scene import events
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ACTING, ADA, BEN, CLEO, FIXED, ON_CALL, SECRET

MINUTE_MS = 60_000
HOOK = "https://hooks.acme.example/status"
BEN_HOOK = "https://hooks.acme.example/ben"

CATALOGUE = town.CATALOGUE.replace(
    "zone: Europe/Berlin}",
    f"zone: Europe/Berlin, via: [email, webhook], addresses: {{webhook: '{HOOK}'}}}}",
).replace(f"email: {BEN}}}", f"email: {BEN}, via: [webhook], addresses: {{webhook: '{BEN_HOOK}'}}}}")
GONE = Undelivered("550 5.1.1 no such user", permanent=True)


@pytest.fixture
def stage(backing: Backing) -> Iterator[Stage]:
    with stage_on(backing, CATALOGUE) as made:
        yield made


def told(stage: Stage) -> list[tuple[str, str]]:
    """Who was told by what, in the order in which they were."""
    return [(one.channel, one.to) for one in stage.sent]


def break_down(stage: Stage, name: str = "CheckoutDown") -> None:
    stage.hear(town.signal(name, remedy=ACTING, lasts_ms=60 * MINUTE_MS))


def types(messages: list[Message]) -> list[str]:
    return [one.event.type if one.event else "" for one in messages]


def fact(message: Message, name: str) -> object:
    assert message.event is not None
    return dict(message.event.facts)[name]


def test_everybody_is_told_first_by_their_first_way(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    assert sorted(told(stage)) == [("email", ADA), ("email", CLEO), ("webhook", BEN_HOOK)]
    assert stage.told() == {ADA, BEN, CLEO}
    via = {one["email"]: one["via"] for one in stage.incident()["told"]}
    assert via == {ADA: "email", BEN: "webhook", CLEO: "email"}


def test_a_hook_is_told_facts_and_the_end_by_the_same_way(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    stage.hear(town.ended(town.signal(remedy=ACTING), stage.now_ms, FIXED))
    stage.pass_ms(MINUTE_MS)
    posted = [one for one in stage.sent if one.channel == "webhook"]
    assert types(posted) == ["notice.first", "notice.resolved"]
    assert fact(posted[0], "incident") == fact(posted[1], "incident") == stage.incident()["id"]
    assert (fact(posted[0], "impact"), fact(posted[0], "service")) == ("major", "checkout")
    assert fact(posted[0], "ended_at") is None
    assert fact(posted[1], "ended_at") is not None
    assert [one.event for one in stage.letters(CLEO)] == [None, None]


def test_what_is_major_and_unread_goes_the_next_way_after_five_minutes(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    stage.pass_ms(5 * MINUTE_MS - 1)
    assert ("webhook", HOOK) not in told(stage)
    stage.pass_ms(1)
    assert told(stage).count(("webhook", HOOK)) == 1
    stage.pass_ms(10 * MINUTE_MS)
    assert told(stage).count(("webhook", HOOK)) == 1
    assert len([one for one in stage.incident()["told"] if one["email"] == ADA]) == 1
    with stage.store.reading() as conn:
        [(_, count)] = told_counts(conn, [1]).items()
    assert count == 3


def test_each_person_is_told_once_in_the_ledger_whatever_the_ways(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    stage.pass_ms(6 * MINUTE_MS)
    with stage.store.reading() as conn:
        query = sa.text("select person, count(*) from ledger where event = 'accepted' group by person")
        counts = {row[0]: row[1] for row in conn.execute(query)}
        reached = conn.execute(sa.text("select person from ledger where event = 'delivered'")).scalars().all()
    assert counts == {stage.house.people[one]: 1 for one in (ADA, BEN, CLEO)}
    assert set(reached) == {stage.house.people[one] for one in (ADA, BEN)}, "a hook answers for its reader"


def test_who_has_seen_it_is_told_by_no_other_way(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    [letter] = stage.letters(ADA)
    assert "/seen/" in letter.text
    assert "/seen/" in letter.html
    assert "/seen/" not in stage.letters(CLEO)[0].text, "who has one way needs no link"
    name = letter.text.rpartition("/seen/")[2].split()[0]
    found = stage.store.written(
        partial(seen.acknowledge, secret=SECRET, text=name, now_ms=stage.now_ms + 1_000)
    )
    assert found is not None
    assert found.seen_ms
    stage.store.written(partial(seen.acknowledge, secret=SECRET, text=name, now_ms=stage.now_ms + 2_000))
    assert [person for person, _ in events(stage, "read")] == [stage.house.people[ADA]]
    stage.pass_ms(6 * MINUTE_MS)
    assert ("webhook", HOOK) not in told(stage)


def test_an_answer_says_that_it_is_seen(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    with stage.store.reading() as conn:
        incident = conn.execute(sa.text("select id from incident")).scalar_one()
    ada = stage.house.people[ADA]
    stage.store.written(
        partial(answer, incident=incident, person=ada, answer=Answer.AFFECTED, now_ms=stage.now_ms)
    )
    stage.pass_ms(6 * MINUTE_MS)
    assert ("webhook", HOOK) not in told(stage)


def test_who_sees_it_between_two_tries_climbs_no_further(stage: Stage) -> None:
    break_down(stage)
    with stage.store.reading() as conn:
        incident = conn.execute(sa.text("select id from incident")).scalar_one()
    ada = stage.house.people[ADA]
    stage.store.written(partial(seen.note, incident=incident, person=ada, now_ms=stage.now_ms))
    stage.deliver()
    stage.pass_ms(6 * MINUTE_MS)
    assert ("webhook", HOOK) not in told(stage)


def test_what_fails_for_good_goes_the_next_way_at_once(stage: Stage) -> None:
    break_down(stage)
    stage.failures = [GONE]
    stage.deliver()
    assert sorted(told(stage)) == [("email", CLEO), ("webhook", BEN_HOOK), ("webhook", HOOK)]
    [ada] = [one for one in stage.incident()["told"] if one["email"] == ADA]
    assert ada["via"] == "webhook"
    assert [(one["via"], one["state"]) for one in ada["ways"]] == [
        ("webhook", "accepted"),
        ("email", "failed"),
    ]


def test_what_is_below_major_climbs_only_where_a_way_fails(stage: Stage) -> None:
    stage.hear(town.signal("CheckoutSlow", remedy=ACTING, region="eu"))
    stage.pass_ms(2 * MINUTE_MS)
    stage.pass_ms(8 * MINUTE_MS)
    first = [one for one in told(stage) if one[0] == "webhook"]
    assert first == [("webhook", BEN_HOOK)] * len(first)


def test_an_address_that_is_known_to_be_gone_is_passed_over_at_once(stage: Stage) -> None:
    bounce = Bounce(ADA, "5.1.1", "no such user")
    stage.store.written(partial(suppression.report, found=bounce, now_ms=stage.now_ms))
    break_down(stage)
    stage.deliver()
    assert ("webhook", HOOK) in told(stage)
    assert ("email", ADA) not in told(stage)


def test_mail_that_comes_back_later_goes_the_next_way_at_once(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    bounce = Bounce(ADA, "5.1.1", "no such user")
    stage.store.written(partial(suppression.report, found=bounce, now_ms=stage.now_ms))
    stage.pass_ms(1)
    assert ("webhook", HOOK) in told(stage)


def test_mail_that_nobody_takes_goes_the_next_way_after_a_while(stage: Stage) -> None:
    break_down(stage)
    stage.failures = [Undelivered("the mail server is away") for _ in range(2)]
    stage.deliver(1)
    assert ("email", ADA) not in told(stage)
    stage.failures = [Undelivered("the mail server is away") for _ in range(1)]
    stage.pass_ms(5 * MINUTE_MS)
    assert ("webhook", HOOK) in told(stage)


def test_an_end_takes_back_the_ways_that_wait(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    stage.hear(town.ended(town.signal(remedy=ACTING), stage.now_ms, FIXED))
    for _ in range(7):
        stage.pass_ms(MINUTE_MS)
    assert ("webhook", HOOK) not in told(stage)


TEAM = town.CATALOGUE.replace(f"email: {ON_CALL}}}", f"email: {ON_CALL}, via: [chat, email], chat: oncall}}")


def test_a_team_is_called_in_its_chat_and_then_by_mail(backing: Backing) -> None:
    with stage_on(backing, TEAM) as stage:
        stage.hear(town.signal())
        stage.pass_ms(MINUTE_MS)
        called = [one for one in stage.sent if one.to in ("oncall", ON_CALL)]
        assert [(one.channel, one.to) for one in called] == [("chat", "oncall")]
        assert "/seen/" in called[0].text
        stage.pass_ms(5 * MINUTE_MS)
        assert ("email", ON_CALL) in told(stage)


def test_who_leaves_a_way_is_not_told_by_it_any_more(stage: Stage) -> None:
    break_down(stage)
    stage.deliver()
    plain = town.catalogue()
    stage.store.written(partial(ways.settle, catalogue=plain, people=stage.house.people))
    stage.pass_ms(6 * MINUTE_MS)
    assert ("webhook", HOOK) not in told(stage)


def test_a_way_that_is_silent_or_lost_is_passed_over() -> None:
    every = (Way("email", "a"), Way("webhook", "b"), Way("chat", "c"))
    assert sound(every, "", set()) == every[0]
    assert sound(every, "", {"email"}) == every[1]
    assert sound(every, "", set(), {"email", "webhook"}) == every[2]
    assert sound(every, "webhook", set()) == every[1]
    assert sound(every[:1], "", set(), {"email"}) == every[0], "a silent way is better than none"
    assert sound(every[:1], "", {"email"}) is None


def test_a_word_on_planned_work_goes_by_the_first_way_with_its_facts(stage: Stage) -> None:
    letters = {("en", "UTC"): Letter("New database", "Text\n", "<p>Text</p>")}
    words = Leaflet("maintenance new-db", "announced", ("checkout",), 1, 1, stage.now_ms + MINUTE_MS, letters)
    ben = stage.house.people[BEN]

    def plan(conn: Connection) -> None:
        times = {"start_ms": stage.now_ms, "end_ms": stage.now_ms + MINUTE_MS}
        conn.execute(schema.maintenance.insert().values(id="new-db", spec="{}", **times))
        leaflet.put(conn, words, [ben])

    stage.store.written(plan)
    take = partial(leaflet.take, stationery=stage.stationery, now_ms=stage.now_ms)
    folded = stage.store.written(take)
    assert folded is not None
    message = folded.message
    assert (message.channel, message.to) == ("webhook", BEN_HOOK)
    assert types([message]) == ["maintenance.announced"]
    assert fact(message, "maintenance") == "new-db"
    assert fact(message, "services") == ("checkout",)
    assert str(fact(message, "starts_at")).startswith("2026-07-14T03:33:20")


def test_a_letter_that_fails_for_good_goes_the_next_way_too(stage: Stage) -> None:
    letters = {("en", "UTC"): Letter("Word", "Text\n", "<p>Text</p>")}
    word = Leaflet("digest", "digest", (), 1, 1, stage.now_ms + MINUTE_MS, letters)
    ada = stage.house.people[ADA]

    def plan(conn: Connection) -> None:
        leaflet.put(conn, word, [ada])

    stage.store.written(plan)
    take = partial(leaflet.take, stationery=stage.stationery, now_ms=stage.now_ms)
    first = stage.store.written(take)
    assert first is not None
    assert first.message.channel == "email"
    record = partial(leaflet.record, folded=first, state="failed", reply="550 no", at_ms=stage.now_ms)
    stage.store.written(record)
    second = stage.store.written(take)
    assert second is not None
    assert (second.message.channel, second.message.to) == ("webhook", HOOK)
    assert types([second.message]) == ["notice.digest"]
