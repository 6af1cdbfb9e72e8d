"""A hook that is gone is left alone until the catalogue names another; one that is busy has its time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Connection

from desk.delivery import suppression
from desk.delivery.dispatch import Idle
from desk.delivery.tries import RETRY_FIRST_MS, Answer
from desk.notice import leaflet
from desk.notice.compose import Letter
from desk.notice.leaflet import Leaflet
from desk.store.backing import Backing
from desk.ways import ways
from desk.ways.stand_in import Tried, unreached
from tests.desk import town
from tests.desk.leaves import post
from tests.desk.stage import Stage, stage_on
from tests.desk.town import ACTING, BEN, FIXED

HOOK = "https://hooks.acme.example/ben"
OTHER = "https://hooks.acme.example/other"
CATALOGUE = town.CATALOGUE.replace(
    f"email: {BEN}}}", f"email: {BEN}, via: [webhook, email], addresses: {{webhook: '{HOOK}'}}}}"
)


@pytest.fixture
def stage(backing: Backing) -> Iterator[Stage]:
    with stage_on(backing, CATALOGUE) as made:
        yield made


def deliver(stage: Stage, *, state: str, gone: str = "", after_ms: int = 0) -> list[tuple[str, str]]:
    """Send all that is due, to hooks with this answer; return to whom."""
    sent: list[tuple[str, str]] = []
    answers: list[Answer] = []
    while not isinstance(found := stage.take(10, answers), Idle):
        answers = []
        for task in found:
            message = stage.message(task)
            sent.append((message.channel, message.to))
            answer = Answer(task.of, state, "it answered", stage.now_ms, after_ms=after_ms, gone=gone)
            plain = Answer(task.of, "accepted", "250 OK", stage.now_ms)
            answers.append(answer if message.channel == "webhook" else plain)
    return [one for one in sent if one[1] in (BEN, HOOK, OTHER)]


def lose(stage: Stage) -> None:
    """Have the hook of Ben say that it is gone, in an incident that is over then."""
    alert = town.signal(remedy=ACTING, lasts_ms=3_600_000)
    stage.hear(alert)
    assert deliver(stage, state="failed", gone=HOOK) == [("webhook", HOOK), ("email", BEN)]
    stage.hear(town.ended(alert, stage.now_ms, FIXED))
    stage.pass_ms(3_600_000)


def break_again(stage: Stage) -> list[tuple[str, str]]:
    stage.hear(town.signal(remedy=ACTING, lasts_ms=3_600_000, at_ms=stage.now_ms))
    return deliver(stage, state="accepted")


def left_out(stage: Stage) -> list[tuple[str, str]]:
    with stage.store.reading() as conn:
        return [(one["email"], one["channel"]) for one in suppression.left_out(conn)]


def test_a_hook_that_is_gone_is_not_asked_again_and_its_person_is_told_otherwise(stage: Stage) -> None:
    lose(stage)
    assert left_out(stage) == [(BEN, "webhook")]
    assert break_again(stage) == [("email", BEN)]


def test_another_address_in_the_catalogue_is_a_new_beginning(stage: Stage) -> None:
    lose(stage)
    changed = town.catalogue(CATALOGUE.replace(HOOK, OTHER))
    stage.store.written(partial(ways.settle, catalogue=changed, people=stage.house.people))
    assert left_out(stage) == []
    assert break_again(stage) == [("webhook", OTHER)]


def test_staff_may_lift_it(stage: Stage) -> None:
    lose(stage)
    lift = partial(suppression.lift, email=BEN, by="ops", now_ms=stage.now_ms)
    assert stage.store.written(lift)
    assert break_again(stage) == [("webhook", HOOK)]
    with stage.store.reading() as conn:
        [lifted] = suppression.liftings(conn)
    assert (lifted["channel"], lifted["by"], lifted["because"]) == ("webhook", "ops", "it answered")


def test_a_letter_of_no_incident_does_not_go_there_either(stage: Stage) -> None:
    lose(stage)
    letters = {("en", "UTC"): Letter("Word", "Text\n", "<p>Text</p>")}
    word = Leaflet("digest", "digest", (), stage.now_ms, 0, stage.now_ms + 60_000, letters)

    def plan(conn: Connection) -> None:
        leaflet.put(conn, word, [stage.house.people[BEN]])

    stage.store.written(plan)
    assert [(one.channel, one.to) for one in post(stage)] == [("email", BEN)]


def test_whoever_is_busy_is_left_alone_for_as_long_as_they_ask(stage: Stage) -> None:
    after_ms = 10 * RETRY_FIRST_MS
    stage.hear(town.signal(remedy=ACTING, lasts_ms=3_600_000))
    assert deliver(stage, state="retrying", after_ms=after_ms) == [("webhook", HOOK)]
    stage.now_ms += after_ms - 1
    assert deliver(stage, state="accepted") == []
    stage.now_ms += 1
    assert deliver(stage, state="accepted") == [("webhook", HOOK)]


@pytest.mark.parametrize(("state", "lost"), [("skipped", True), ("failed", True), ("accepted", False)])
def test_whoever_has_only_a_hook_that_is_gone_needs_somebody_in_their_place(state: str, lost: bool) -> None:
    assert unreached([Tried(1, "webhook", state, returned=True, left=False)]) is lost
