"""A held notice goes by links: each its person's own, used once, by as many people as it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from desk import schema
from desk.notice import parcel, release_post, releases
from desk.notice.holding import Human, release
from desk.notice.releases import LASTS_MS
from desk.store.backing import Backing
from model.plugin import Message
from tests.desk import staffing, town
from tests.desk.notice.test_sparing import CROWD, held
from tests.desk.staff.test_door import Doorbell, door
from tests.desk.stage import Stage, stage_on

EVE, FINN = "eve@shop.example", "finn@shop.example"
TEAM = CROWD.replace(
    "- {team: payments, email: oncall@shop.example}",
    f"- team: payments\n  email: oncall@shop.example\n  people:\n"
    f"  - {{name: Eve, email: {EVE}}}\n  - {{name: Finn, email: {FINN}}}",
)
SMTP = 'smtp: {host: 127.0.0.1, port: 25, from: "Shop <status@shop.example>"}\n'
LINK = re.compile(r"http://127\.0\.0\.1:9467(/release/[0-9a-f]{64})")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Made = Callable[..., Stage]


@pytest.fixture
def made(backing: Backing) -> Iterator[Made]:
    """A way to a desk with a mail server and a large audience, on either database."""
    with ExitStack() as stack:

        def make(catalogue: str = TEAM, more: str = SMTP, staff: str = "") -> Stage:
            stage = stack.enter_context(stage_on(backing, catalogue))
            house = replace(stage.house, config=town.config(town.CONFIG + more))
            stage.house = replace(house, staff=staffing.roster(staff) if staff else None)
            return stage

        yield make


def letters(stage: Stage) -> dict[str, Message]:
    """Send every link that is due; return the letters by whom they go to."""
    found: dict[str, Message] = {}
    while True:
        work = partial(release_post.take, stationery=stage.stationery, now_ms=stage.now_ms)
        one = stage.store.written(work)
        if one is None:
            return found
        stage.store.written(
            partial(parcel.record, parcel=one, state="accepted", reply="250 OK", at_ms=stage.now_ms)
        )
        found[one.message.to] = one.message


def links(stage: Stage) -> dict[str, str]:
    paths = {}
    for to, message in letters(stage).items():
        found = LINK.search(message.text)
        assert found is not None
        paths[to] = found[1]
    return paths


def say(desk: Doorbell, path: str, count: int = 151) -> tuple[int, str]:
    reply = desk.ask(path, "POST", f"count={count}&word=release", FORM)
    return reply.status, re.sub(r"<[^>]+>", "", reply.text)


def test_two_people_of_the_team_let_a_notice_go_each_by_a_link_of_their_own(made: Made) -> None:
    stage = made()
    stage.hear(town.signal("AllDown"))
    found = letters(stage)
    assert set(found) == {EVE, FINN}
    assert found[EVE].subject == "[Example Shop] May 151 people be told of checkout?"
    assert "2 different people must say so." in found[EVE].text
    paths = {to: LINK.search(one.text) for to, one in found.items()}
    eve, finn = (found_link[1] for found_link in (paths[EVE], paths[FINN]) if found_link)
    with door(stage, None) as desk:
        for _ in range(3):
            page = desk.ask(eve)
            assert page.status == 200
        told = re.sub(r"<[^>]+>", "", page.text)
        assert town.NOTICE in told
        assert "151" in told
        assert "Nobody yet." in told
        assert "no-store" in page.headers["cache-control"]
        assert "@acme.example" not in page.text
        [one] = held(stage)
        assert one.state == "held", "to look is not to say"
        status, text = say(desk, eve)
        assert (status, "Your word is taken." in text) == (200, True)
        assert say(desk, eve)[0] == 410, "a link is used once"
        assert [each.released_by for each in held(stage)] == [(EVE,)]
        status, text = say(desk, finn)
    assert (status, "The notice is let go." in text) == (200, True)
    assert held(stage) == []
    stage.pass_ms(120_000)
    stage.deliver(500)
    assert len([each for each in stage.sent if each.to.endswith((".example",))]) >= 151


def test_the_number_is_typed_and_another_one_uses_nothing_up(made: Made) -> None:
    stage = made()
    stage.hear(town.signal("CheckoutSlow"))
    path = links(stage)[EVE]
    with door(stage, None) as desk:
        status, text = say(desk, path, 15)
        assert (status, "The notice goes to 150 people, not to 15" in text) == (409, True)
        for body in ("word=release", "count=&word=release", "count=1e3&word=release", "", "word=yes"):
            assert desk.ask(path, "POST", body or " ", FORM).status == 400
        assert say(desk, path, 150)[0] == 200


def test_whoever_sees_that_it_is_wrong_calls_it_back(made: Made) -> None:
    stage = made()
    stage.hear(town.signal("AllDown"))
    paths = links(stage)
    with door(stage, None) as desk:
        assert "called back" in desk.ask(paths[EVE], "POST", "word=cancel", FORM).text
        assert desk.ask(paths[FINN]).status == 410
        assert say(desk, paths[FINN])[0] == 410
    stage.pass_ms(600_000)
    assert [one for one in stage.sent if one.to.endswith("acme.example")] == []


def test_a_link_and_a_token_of_one_person_are_one_word(made: Made) -> None:
    stage = made(staff=staffing.TEXT)
    stage.hear(town.signal("AllDown"))
    paths = links(stage)
    with door(stage) as desk:
        [one] = held(stage)
        assert desk.release(one.notice, "eve", 151).json()["state"] == "held"
        status, text = say(desk, paths[EVE])
        assert (status, "has said so already" in text) == (409, True)
        assert say(desk, paths[FINN])[0] == 200
    assert held(stage) == []


def test_where_there_is_staff_only_its_approvers_have_links_and_who_leaves_has_none(made: Made) -> None:
    no_finn = staffing.TEXT.replace("may: [operator, approver]", "may: [operator]")
    zoe = staffing.entry("zoe", "approver", "zoe@shop.example")
    stage = made(staff=no_finn + zoe)
    stage.hear(town.signal("AllDown"))
    paths = links(stage)
    assert set(paths) == {EVE, "zoe@shop.example"}
    with door(stage, staffing.TEXT.replace("may: [approver]", "may: [viewer]")) as desk:
        for path in paths.values():
            assert desk.ask(path).status == 403
            assert say(desk, path)[0] == 403
            assert town.NOTICE not in desk.ask(path).text


def test_a_link_is_good_for_a_day_and_nobody_guesses_one(made: Made) -> None:
    stage = made()
    stage.hear(town.signal("AllDown", lasts_ms=3 * LASTS_MS))
    path = links(stage)[EVE]
    with door(stage, None) as desk:
        for wrong in (path[:-1] + ("0" if path[-1] != "0" else "1"), "/release/x", path.upper(), "/release/"):
            assert desk.ask(wrong).status == 404
            assert say(desk, wrong)[0] == 404
        stage.now_ms += LASTS_MS
        assert "It is too late to answer here." in desk.ask(path).text
        assert say(desk, path)[0] == 410


@pytest.mark.parametrize(
    ("catalogue", "more", "said"),
    [
        (TEAM, "", "No mail server is named, so nobody has a link."),
        (CROWD, SMTP, "It takes 2 people with a link, and there are 1 who could have one."),
    ],
)
def test_where_links_would_not_do_none_is_sent_and_the_team_hears_why(
    made: Made, catalogue: str, more: str, said: str
) -> None:
    stage = made(catalogue, more)
    stage.hear(town.signal("AllDown"))
    assert letters(stage) == {}
    with stage.store.reading() as conn:
        words = [row.text for row in conn.execute(schema.leaflet_letter.select())]
    assert any(said in text for text in words)
    assert [one.state for one in held(stage)] == ["held"]


def test_a_letter_in_doubt_is_written_again_with_the_same_link_and_the_store_has_only_its_digest(
    made: Made,
) -> None:
    stage = made()
    stage.hear(town.signal("AllDown"))
    texts = set()
    for _ in range(2):
        work = partial(release_post.take, stationery=stage.stationery, now_ms=stage.now_ms)
        one = stage.store.written(work)
        assert one is not None
        texts.add((one.message.id, one.message.text))
        stage.store.written(partial(parcel.recover, now_ms=stage.now_ms))
    assert len(texts) == 1
    found = LINK.search(texts.pop()[1])
    assert found is not None
    with stage.store.reading() as conn:
        kept = [row.token for row in conn.execute(schema.release_link.select())]
    assert found[1].rpartition("/")[2] not in kept


def test_no_letter_goes_out_for_what_does_not_wait_any_more(made: Made) -> None:
    stage = made()
    stage.hear(town.signal("AllDown"))
    [one] = held(stage)
    for human in (Human("eve", EVE), Human("finn", FINN)):
        stage.store.written(partial(release, notice=one.notice, human=human, count=151, now_ms=stage.now_ms))
    assert letters(stage) == {}


def test_no_two_links_are_made_of_the_same_words() -> None:
    made_of = {
        releases.token(secret, notice, email)
        for secret in (b"a" * 32, b"b" * 32)
        for notice in (1, 11)
        for email in ("1@x.example", EVE, FINN)
    }
    assert len(made_of) == 12
    assert releases.token(b"a" * 32, 1, EVE) == releases.token(b"a" * 32, 1, EVE.upper())
