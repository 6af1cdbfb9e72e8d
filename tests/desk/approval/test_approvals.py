"""Approvals over HTTP and SMTP: who is asked, what a link shows, that a word acts once, what agents get."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from desk.main import EX_CONFIG
from desk.store.backing import in_file
from desk.store.retention import forget
from desk.store.store import Store
from model.grant import genuine, host_key
from tests.desk import asking, serving, town
from tests.desk.asking import EVE, FINN, KEY, PLAN, Case, question
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, until
from tests.desk.town import BEN, ON_CALL

_numbers = count(1)


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Post]]:
    """A desk for all tests that leave it as it is."""
    with post_office() as post, asking.serve(tmp_path_factory.mktemp("desk"), post.port) as desk:
        yield desk, post


@pytest.fixture
def case(shared: tuple[Serving, Post]) -> Case:
    number = next(_numbers)
    return Case(*shared, f"ask-{number:08d}", f"host{number}")


def test_each_person_of_the_owning_team_is_asked_by_a_letter_with_a_link(case: Case) -> None:
    case.put()
    assert case.link(EVE) != case.link(FINN)
    [mail] = case.letters(EVE)
    assert "restart-nginx cannot be undone" in mail.text
    assert "step 2: restart nginx.service" in mail.text
    assert "One yes is enough." in mail.text
    until(lambda: {one["state"] for one in case.told()["asked"]} == {"accepted"}, "both are written down")


def test_a_question_that_is_repeated_is_asked_once(case: Case) -> None:
    for _ in range(5):
        case.put()
    case.link(FINN)
    # Letters go out one after the other, so whatever is too many comes before those of the next question.
    Case(case.desk, case.post, f"{case.ask}-next", case.host).put()
    case.link(FINN, 1)
    assert [len(case.letters(person)) for person in (EVE, FINN)] == [2, 2]


def test_the_page_shows_all_there_is_to_know(case: Case) -> None:
    case.put(needs=2)
    page = case.look(case.link(EVE))
    assert page.status == 200
    told = re.sub(r"<[^>]+>", "", page.text)
    for words in ("restart-nginx", "R2", "run nginx -t", "restart nginx.service", "2 people who say yes"):
        assert words in told
    assert case.host in told
    assert "restart-nginx cannot be undone" in told
    assert "Nobody yet." in told
    assert "in 9m" in told
    assert "no-store" in page.headers["cache-control"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_to_look_is_not_to_answer(case: Case, method: str) -> None:
    case.put()
    link = case.link(EVE)
    for _ in range(3):
        assert case.look(link, method).status == 200
    assert not case.grants()
    assert case.audit() == ["asked"]
    assert case.say(link, "yes").status == 200


def test_a_yes_becomes_a_sealed_grant_that_the_agent_fetches(case: Case) -> None:
    case.put()
    said = case.say(case.link(EVE), "yes")
    assert said.status == 200
    assert "Enough people said yes." in said.text
    [grant] = case.grants()
    assert (grant.ask, grant.host, grant.playbook) == (case.ask, case.host, "restart-nginx")
    assert (grant.plan, grant.by, grant.yes) == (PLAN, EVE, True)
    assert genuine(grant, host_key(KEY, grant.host))
    assert case.told()["words"][0]["by"] == "Eve"


@pytest.mark.parametrize("query", ["", "?host=", "?host=a&host=b", f"?host={'a' * 300}"])
def test_grants_are_told_of_one_host_and_never_in_public(case: Case, query: str) -> None:
    assert case.desk.ask(f"/api/v1/grants{query}").status == 400
    assert case.desk.ask("/api/v1/grants?host=web1", public=True).status == 404
    assert case.desk.ask("/api/v1/grants?host=web1", method="POST").status == 405


def test_where_two_are_needed_one_is_not_enough(case: Case) -> None:
    case.put(needs=2)
    first = case.say(case.link(EVE), "yes")
    assert "Your word is taken." in first.text
    assert "1 of 2 said yes so far." in first.text
    page = case.look(case.link(FINN))
    assert page.status == 200
    assert re.search(r"<bdi>Eve</bdi> said yes", page.text)
    assert "Enough people said yes." in case.say(case.link(FINN), "yes").text
    assert {grant.by for grant in case.grants()} == {EVE, FINN}


def test_one_no_ends_it_for_all(case: Case) -> None:
    case.put(needs=2)
    assert "Somebody said no." in case.say(case.link(EVE), "no").text
    other = case.link(FINN)
    assert case.look(other).status == 410
    reply = case.say(other, "yes")
    assert reply.status == 410
    assert "Eve said no." in reply.text
    assert [grant.yes for grant in case.grants()] == [False]
    assert case.audit() == ["asked", "no", "refused GET 410", "refused POST 410"]


def test_a_link_takes_one_word(case: Case) -> None:
    case.put(needs=2)
    link = case.link(EVE)
    assert case.say(link, "yes").status == 200
    for word in ("yes", "no"):
        assert case.say(link, word).status == 410
    assert case.look(link).status == 410
    assert [(grant.by, grant.yes) for grant in case.grants()] == [(EVE, True)]


def test_of_many_posts_at_once_exactly_one_acts(case: Case) -> None:
    case.put(needs=2)
    link = case.link(EVE)
    with ThreadPoolExecutor(8) as pool:
        replies = [one.status for one in pool.map(partial(case.say, link), ["yes", "no"] * 8)]
    assert sorted(replies) == [200] + [410] * 15
    assert len(case.grants()) == 1
    assert len([one for one in case.audit() if one in ("yes", "no")]) == 1


def test_of_two_people_at_once_who_are_not_both_needed_one_is_heard(case: Case) -> None:
    case.put()
    links = [case.link(person) for person in (EVE, FINN)]
    with ThreadPoolExecutor(2) as pool:
        replies = sorted(reply.status for reply in pool.map(lambda link: case.say(link, "yes"), links))
    assert replies == [200, 410]
    assert len(case.grants()) == 1


@pytest.mark.parametrize("body", [b"", b"word=maybe", b"word=yes&word=no", b"yes", b"word=yes" + b"x" * 2000])
def test_what_is_no_word_uses_nothing_up(case: Case, body: bytes) -> None:
    case.put()
    link = case.link(EVE)
    assert case.desk.ask(link, method="POST", body=body, public=True).status in (400, 413)
    assert not case.grants()
    assert case.look(link).status == 200


def test_a_link_that_was_never_given_out_is_unknown_and_written_down(case: Case) -> None:
    case.put()
    link = case.link(EVE)
    wrong = link[:-1] + ("0" if link[-1] != "0" else "1")
    query = "SELECT note FROM ask_audit WHERE ask = '' AND what = 'refused'"
    before = len(case.rows(query))
    for path in (wrong, "/approve/x", "/approve/" + "A" * 64, link + "0"):
        assert case.look(path).status == 404
        assert case.say(path, "yes").status == 404
    assert sorted(case.rows(query)[before:]) == [("GET 404",)] * 4 + [("POST 404",)] * 4
    assert not case.grants()


def test_silence_until_the_deadline_means_no(case: Case) -> None:
    case.put(lasts_s=2)
    link = case.link(EVE)
    until(lambda: case.look(link).status == 410, "the deadline is past")
    reply = case.say(link, "yes")
    assert reply.status == 410
    assert "The time to answer is over, and that means no." in reply.text
    assert not case.grants()


def test_a_question_ends_with_its_alert(case: Case) -> None:
    text = case.put()
    link = case.link(EVE)
    assert case.desk.post([asking.asking(text, case.host, over=True)]).status == 200
    assert case.look(link).status == 410
    reply = case.say(link, "yes")
    assert reply.status == 410
    assert "The alert is over" in reply.text
    assert not case.grants()


def test_a_question_ends_when_another_takes_its_place(case: Case) -> None:
    case.put()
    link = case.link(EVE)
    later = Case(case.desk, case.post, f"{case.ask}-next", case.host)
    later.put()
    assert case.say(link, "yes").status == 410
    assert case.say(later.link(EVE, 1), "yes").status == 200
    assert [grant.ask for grant in case.grants()] == [later.ask]


def test_who_left_the_team_cannot_answer_any_more(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port) as desk:
        case = Case(desk, post)
        case.put()
        links = case.link(EVE), case.link(FINN)
        desk.stop()
        gone = asking.CATALOGUE.replace(f"  - {{name: Eve, email: {EVE}}}\n", "")
        (tmp_path / "catalogue.yaml").write_text(gone)
        desk.start()
        assert case.look(links[0]).status == 403
        assert case.say(links[0], "yes").status == 403
        assert not case.grants()
        assert case.say(links[1], "yes").status == 200


def test_a_question_outlives_kills_and_the_store_never_holds_a_token(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port) as desk:
        case = Case(desk, post)
        case.put(needs=2)
        desk.kill()
        desk.start()
        links = [case.link(person) for person in (EVE, FINN)]
        assert case.say(links[0], "yes").status == 200
        desk.kill()
        desk.start()
        assert case.say(links[0], "yes").status == 410
        assert case.say(links[1], "yes").status == 200
        assert len(case.grants()) == 2
        assert all(genuine(grant, host_key(KEY, grant.host)) for grant in case.grants())
        desk.stop()
        tokens = [link.rpartition("/")[2].encode() for link in links]
        for path in filter(Path.is_file, desk.state.rglob("*")):
            assert not any(token in path.read_bytes() for token in tokens), path


def test_a_mail_server_that_is_away_delays_the_letter_and_loses_none(tmp_path: Path) -> None:
    with post_office() as lent:
        port = lent.port
    with asking.serve(tmp_path, port) as desk:
        with post_office(port) as post:
            case = Case(desk, post)
        case.put()
        until(lambda: "retrying" in {one["state"] for one in case.told()["asked"]}, "the failure is kept")
        with post_office(port) as post:
            case = Case(desk, post)
            post.wait(lambda: bool(post.to(EVE) and post.to(FINN)), 30)
            assert case.say(case.link(EVE), "yes").status == 200


def test_without_a_key_no_link_is_sent_and_the_escalation_says_so(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port, key=False) as desk:
        case = Case(desk, post)
        case.put()
        post.wait(lambda: bool(post.to(ON_CALL)))
        assert not post.to(EVE)
        [mail] = post.to(ON_CALL)
        assert "This desk has no approval_key_file, so no link was sent." in mail.text
        assert "On web1: beforehand approve ask-00000001" in mail.text
        assert case.told()["trouble"] == "This desk has no approval_key_file, so no link was sent."


def test_a_team_without_people_is_asked_at_its_own_address(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port, catalogue=town.CATALOGUE) as desk:
        case = Case(desk, post)
        case.put(needs=2)
        assert case.say(case.link(ON_CALL), "yes").status == 200
        assert [grant.by for grant in case.grants()] == [ON_CALL]
        assert "It takes 2 people" in case.told()["trouble"]


def test_a_question_without_an_incident_is_asked_all_the_same(case: Case) -> None:
    case.put(name="DiskFillsUp")
    assert case.say(case.link(EVE), "yes").status == 200
    assert len(case.grants()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{" * 4000,
        question("ask-bad-plan", plan="short"),
        question("ask-bad-needs", needs=0),
        question("ask-bad-many", needs=100),
        question("../../etc"),
        question("ask-bad-host", host="web1\u202eevil"),
        question("ask-bad-end", lasts_s=10 * 86_400),
        question("ask-bad-step", steps=["x" * 201]),
        question("ask-bad-steps", steps=["x"] * 21),
        question("ask-bad-time", asked_ms="soon"),
    ],
)
def test_what_is_no_question_is_not_asked(case: Case, text: str) -> None:
    query = "SELECT count(*) FROM ask"
    before = case.rows(query)
    assert case.desk.post([asking.asking(text, case.host)]).status == 200
    assert case.rows(query) == before
    assert case.desk.ask("/-/ready").status == 200


def test_what_a_question_says_stays_text(case: Case) -> None:
    evil = "<script>alert(1)</script>\r\nBcc: x@y.example"
    case.put(because=evil, steps=[evil, "{{ 7 * 7 }}"], risk="<b>R2")
    page = case.look(case.link(EVE))
    assert page.status == 200
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert "{{ 7 * 7 }}" in page.text
    [mail] = case.letters(EVE)
    assert "Bcc" not in mail.message


def test_nobody_outside_the_team_hears_of_a_question(case: Case) -> None:
    case.put()
    case.link(EVE)
    case.post.wait(lambda: bool(case.post.to(BEN)))
    for mail in case.post.mails:
        assert mail.to[0] in (EVE, FINN, ON_CALL) or b"restart-nginx" not in mail.data
    incident = case.desk.incidents()[0]["id"]
    for path in ("/", "/history", f"/incidents/{incident}"):
        assert "restart-nginx" not in case.desk.ask(path, public=True).text


def test_what_strangers_can_cause_has_a_limit(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port) as desk:
        case = Case(desk, post)
        many = [asking.asking(question(f"ask-{n:08d}"), name=f"Alert{n}") for n in range(130)]
        assert desk.post(many).status == 200
        assert case.rows("SELECT count(*) FROM ask") == [(120,)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: case.look(f"/approve/{n:064x}"), range(520)))
        assert case.rows("SELECT count(*) FROM ask_audit WHERE what = 'refused'") == [(500,)]


@pytest.mark.parametrize(
    ("mode", "text", "sentence"),
    [
        (0o644, KEY.hex(), "others can use it"),
        (0o620, KEY.hex(), "others can use it"),
        (0o600, "too short", "64 hexadecimal digits"),
    ],
)
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int, text: str, sentence: str) -> None:
    desk = asking.serve(tmp_path, 25)
    asking.write_key(tmp_path / "approval.key", text, mode)
    process = serving.launch(desk.config, desk.state)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EX_CONFIG
    assert sentence in errors


def test_links_that_approve_are_not_put_into_the_local_mailbox(tmp_path: Path) -> None:
    asking.write_key(tmp_path / "approval.key")
    config = town.write(tmp_path, "approval_key_file: approval.key\n")
    process = serving.launch(config, tmp_path / "state")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EX_CONFIG
    assert "no mail server is named; add smtp" in errors


def test_what_is_long_over_is_forgotten_with_all_that_was_said(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path, post.port) as desk:
        case = Case(desk, post)
        case.put()
        assert case.say(case.link(EVE), "yes").status == 200
    store = Store(in_file(desk.state / "desk.sqlite"))
    store.written(partial(forget, now_ms=round(time.time() * 1000) + 91 * 86_400_000))
    store.close()
    for table in ("ask", "ask_link", "ask_grant", "ask_audit"):
        assert case.rows(f"SELECT count(*) FROM {table}") == [(0,)]
