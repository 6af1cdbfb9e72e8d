from __future__ import annotations

from dataclasses import replace

import pytest

from desk.page import page_words
from desk.page.view import CONFIRMED_FOR_MS, DAY_MS, DayView, IncidentView, PageView, ServiceView, honest
from desk.state import IncidentState, ServiceState
from tests.desk.pages import MIN_MS, NOW_MS, walked


def service(name: str, state: ServiceState = ServiceState.OPERATIONAL) -> ServiceView:
    return ServiceView(name.lower(), name, state, NOW_MS - MIN_MS, ())


def page(*services: ServiceView, confirmed_ms: int | None = NOW_MS - 1_000) -> PageView:
    return PageView("Example", "http://127.0.0.1", "en", NOW_MS, services, confirmed_ms=confirmed_ms)


def said(view: PageView) -> str:
    return page_words.sentence(honest(view)).replace("\u2068", "").replace("\u2069", "")


def test_a_page_on_which_all_is_well_says_so() -> None:
    assert said(page(service("Checkout"), service("Search"))) == "Everything works."


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (ServiceState.MAJOR, "Checkout is down."),
        (ServiceState.PARTIAL, "Checkout is partly down."),
        (ServiceState.DEGRADED, "Checkout does not work as it should."),
        (ServiceState.MAINTENANCE, "Planned work is under way on Checkout."),
        (ServiceState.UNKNOWN, "We cannot see how Checkout stands right now."),
    ],
)
def test_the_sentence_names_the_one_service_that_is_not_well(state: ServiceState, sentence: str) -> None:
    assert said(page(service("Checkout", state), service("Search"))) == sentence


def test_the_sentence_names_the_worst_services_and_counts_the_others_in_trouble() -> None:
    view = page(
        service("Checkout", ServiceState.MAJOR),
        service("Search", ServiceState.MAJOR),
        service("Mail", ServiceState.DEGRADED),
        service("Reports", ServiceState.MAINTENANCE),
    )
    assert said(view) == "Checkout and Search are down; one other has trouble."


def test_the_sentence_stays_short_however_many_services_are_down() -> None:
    view = page(*(service(f"S{number}", ServiceState.MAJOR) for number in range(9)))
    assert said(view) == "S0, S1 and 7 more are down."


def test_an_open_incident_keeps_the_sentence_from_saying_that_all_is_well() -> None:
    well = page(service("Checkout"))
    watched = replace(well, open_incidents=(walked(150, 400, state=IncidentState.MONITORING),))
    assert said(watched) == "Everything works again; we keep watching."
    assert "looking into" in said(replace(well, open_incidents=(walked(),)))


def test_a_page_that_was_never_confirmed_claims_nothing() -> None:
    view = page(service("Checkout"), confirmed_ms=None)
    assert said(view) == "We do not know yet how things stand."
    assert honest(view).services[0].state is ServiceState.UNKNOWN


def test_after_five_minutes_without_a_heartbeat_every_service_is_unknown() -> None:
    view = page(service("Checkout"), service("Search", ServiceState.MAJOR))
    fresh = replace(view, confirmed_ms=NOW_MS - CONFIRMED_FOR_MS)
    stale = replace(view, confirmed_ms=NOW_MS - CONFIRMED_FOR_MS - 1)
    assert honest(fresh) == fresh
    assert {one.state for one in honest(stale).services} == {ServiceState.UNKNOWN}
    assert {one.since_ms for one in honest(stale).services} == {stale.confirmed_ms}
    assert said(stale) == "We do not know how things stand right now."
    assert "14:26 UTC, 5 minutes ago" in page_words.confirmation(stale)


def test_a_page_without_services_says_so() -> None:
    assert said(page()) == "No service is shown here yet."


# Words


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (3, "under 0.01 s"),
        (20, "0.02 s"),
        (994, "0.99 s"),
        (995, "1 s"),
        (2_140, "2.1 s"),
        (9_949, "9.9 s"),
        (9_950, "10 s"),
        (59_600, "1 min"),
        (245_000, "4 min 5 s"),
        (7_500_000, "2 h 5 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_lengths_read_like_a_stopwatch(length_ms: int, words: str) -> None:
    assert page_words.seconds(length_ms) == words


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (59_999, "less than a minute"),
        (60_000, "1 minute"),
        (7_500_000, "2 hours 5 minutes"),
        (86_400_000, "1 day"),
        (180_000_000, "2 days 2 hours"),
    ],
)
def test_lengths_read_as_whole_words(length_ms: int, words: str) -> None:
    assert page_words.length(length_ms) == words


def test_a_promise_that_was_missed_is_said_to_be_overdue() -> None:
    assert page_words.ahead(NOW_MS + 12 * MIN_MS, NOW_MS) == "in 12 minutes"
    assert page_words.ahead(NOW_MS - 3 * MIN_MS, NOW_MS) == "3 minutes overdue"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "nobody"),
        (1, "fewer than 5 people"),
        (4, "fewer than 5 people"),
        (5, "about 5 people"),
        (23, "about 25 people"),
        (1_288, "about 1,300 people"),
    ],
)
def test_people_are_counted_so_that_nobody_can_be_picked_out(count: int, words: str) -> None:
    assert page_words.people(count) == words


def test_the_share_free_of_trouble_is_never_rounded_up_to_all() -> None:
    days = (DayView(0, ServiceState.MAJOR, 1, DAY_MS),) + (
        DayView(0, ServiceState.OPERATIONAL, 0, DAY_MS),
    ) * 89
    assert page_words.uptime(days) == "99.99 %"
    assert page_words.uptime(days[1:]) == "100 %"
    assert page_words.uptime((DayView(0, ServiceState.UNKNOWN),)) == "not yet known"


def test_a_retracted_incident_had_no_effect() -> None:
    assert page_words.effect(walked(None, 400, 60_000, IncidentState.RETRACTED)) == "No effect"
    assert page_words.effect(walked(2_100, 400)) == "Down for 2.1 s"
    assert page_words.effect(walked()) == "Down"


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (walked(), "Nobody yet"),
        (walked(150), "An automatic repair"),
        (replace(walked(), escalated=True), "Our people"),
        (replace(walked(150), escalated=True), "An automatic repair, seen through by our people"),
        (walked(None, 400, 60_000), "No automatic repair; it ended without one"),
    ],
)
def test_the_one_who_dealt_with_it_is_named(view: IncidentView, words: str) -> None:
    assert page_words.done_by(view) == words
