"""A killed server comes back, and exactly the people whom it hurt hear of it."""

from __future__ import annotations

import re

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Begin
from tests.e2e.installation import (
    ADA,
    BEN,
    DAN,
    EVE,
    ON_CALL,
    SESSIONS_NOTICE,
    SHOP_NOTICE,
    sessions,
    shop,
)
from tests.e2e.patience import never, until
from tests.e2e.post_office import ACCEPTED, PostOffice
from tests.e2e.running import Running
from tests.e2e.servers import Nginx, Redis, Server, pid_of

HEALED_S = 45.0
TOLD_S = 45.0


def healed(running: Running, server: Server, killed_pid: int) -> None:
    """Wait until another process serves in the place of the killed one."""
    until(
        lambda: pid_of(server) not in (0, killed_pid) and server.answers(),
        HEALED_S,
        f"{server.folder.name} serves again",
        running.story,
    )


def told(running: Running, post: PostOffice, people: set[str]) -> None:
    """Wait until each of these people, and nobody else, has a first and a resolved notice."""
    until(
        lambda: all(len(post.to(person)) >= 2 for person in people),
        TOLD_S,
        f"a first and a resolved notice for {sorted(people)}",
        lambda: f"{post.listing()}\n{running.story()}",
    )
    counts = {person: len(letters) for person, letters in post.by_person().items()}
    assert counts == dict.fromkeys(people, 2), post.listing()
    assert all(len(letter.recipients) == 1 for letter in post.letters), post.listing()


@pytest.mark.needs("nginx")
def test_a_killed_nginx_is_healed_and_exactly_its_customers_in_the_region_are_told(
    begin: Begin, nginx: Nginx, redis: Redis, post: PostOffice
) -> None:
    running = begin(watches=(shop(nginx), sessions(redis)))
    killed = servers.kill(nginx)
    healed(running, nginx, killed)
    told(running, post, {ADA, BEN})
    for person in (ADA, BEN):
        first, last = post.to(person)
        assert SHOP_NOTICE in first.text
        assert first.identity != last.identity
    [incident] = running.incidents()
    assert incident["state"] == "resolved", incident
    assert run_outcomes(running) == ["fixed"]
    page = running.page().text
    assert "Shop does not work" in page
    # In the order of their moments, which lie hundredths of a second apart.
    for word in ("healed", "told"):
        assert re.search(rf"{word} (after [0-9.]+ s|at once)", page), page
    assert "Everything works" in page, page
    never(lambda: len(post.letters) > 4, 1.0, "a letter too many", post.listing)


@pytest.mark.needs("redis-server")
def test_a_killed_redis_is_healed_and_exactly_its_customers_everywhere_are_told(
    begin: Begin, redis: Redis, post: PostOffice
) -> None:
    running = begin(watches=(sessions(redis),))
    killed = servers.kill(redis)
    healed(running, redis, killed)
    told(running, post, {DAN, EVE})
    assert SESSIONS_NOTICE in post.to(EVE)[0].text
    assert run_outcomes(running) == ["fixed"]


@pytest.mark.needs("redis-server")
def test_a_minor_trouble_that_is_healed_within_the_hold_is_recorded_and_told_to_nobody(
    begin: Begin, redis: Redis, post: PostOffice
) -> None:
    running = begin(watches=(sessions(redis, "minor"),), hold="4s")
    killed = servers.kill(redis)
    healed(running, redis, killed)
    until(
        lambda: [incident for incident in running.incidents() if incident["state"] == "resolved"],
        TOLD_S,
        "the incident is resolved",
        running.story,
    )
    never(lambda: post.letters, 5.0, "a letter about what nobody felt", post.listing)
    [incident] = running.incidents()
    assert incident["healed_silently"], incident
    assert running.page().status == 200


@pytest.mark.needs("nginx")
def test_what_no_playbook_can_heal_is_told_and_escalated_once_and_stays_open(
    begin: Begin, nginx: Nginx, post: PostOffice
) -> None:
    running = begin(watches=(shop(nginx),))
    nginx.break_config()
    servers.kill(nginx)
    until(
        lambda: post.to(ON_CALL) and post.to(ADA) and post.to(BEN),
        TOLD_S,
        "the customers are told and the team is called",
        lambda: f"{post.listing()}\n{running.story()}",
    )
    never(lambda: len(post.letters) > 3, 3.0, "a letter too many", post.listing)
    assert [len(post.to(person)) for person in (ON_CALL, ADA, BEN)] == [1, 1, 1], post.listing()
    [incident] = running.incidents()
    assert incident["state"] not in ("resolved", "retracted"), incident
    alert = running.alert("ShopDown")
    assert alert is not None, running.story()
    assert alert["state"] == "firing", alert
    assert not nginx.answers()


@pytest.mark.needs("nginx")
def test_a_mail_server_that_refuses_for_now_gets_each_letter_once_more_and_nobody_gets_two(
    begin: Begin, nginx: Nginx, post: PostOffice
) -> None:
    running = begin(watches=(shop(nginx),))
    post.reply = lambda envelope: "451 Try again later"
    nginx.break_config()
    servers.kill(nginx)
    until(lambda: len(post.refused) >= 3, TOLD_S, "three letters are refused", running.story)
    post.reply = lambda envelope: ACCEPTED
    until(lambda: len(post.letters) >= 3, TOLD_S, "three letters are accepted", running.story)
    never(lambda: len(post.letters) > 3, 3.0, "a letter too many", post.listing)
    assert set(post.by_person()) == {ADA, BEN, ON_CALL}, post.listing()
    refused = {(letter.recipients, letter.identity) for letter in post.refused}
    assert {(letter.recipients, letter.identity) for letter in post.letters} == refused


def run_outcomes(running: Running) -> list[str]:
    """Return how each run ended, as the agent tells it."""
    return [run["outcome"] for run in running.runs()]
