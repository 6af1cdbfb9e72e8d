from __future__ import annotations

import dataclasses
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from desk.page import page_words
from desk.page.view import (
    CONFIRMED_FOR_MS,
    DAY_MS,
    DAYS_SHOWN,
    TROUBLE,
    DayView,
    IncidentView,
    PageView,
    ServiceView,
    Stretch,
    UpdateView,
    days_of,
    honest,
    months,
)
from desk.state import ServiceState, worst
from tests.desk.pages import LONG_AGO_MS, MIN_MS, NOW_MS, page, service, walked


def test_trouble_of_today_stays_on_the_bar_when_the_state_becomes_unknown() -> None:
    days = days_of([Stretch(ServiceState.MAJOR, NOW_MS - MIN_MS)], LONG_AGO_MS, NOW_MS)
    view = replace(page(replace(service(), days=days)), confirmed_ms=None)
    assert honest(view).services[0].days[-1].worst is ServiceState.MAJOR


def test_nothing_at_all_is_unknown_and_not_well() -> None:
    assert worst(()) is ServiceState.UNKNOWN
    assert worst([ServiceState.OPERATIONAL, ServiceState.UNKNOWN]) is ServiceState.UNKNOWN
    assert worst([ServiceState.MAJOR, ServiceState.UNKNOWN]) is ServiceState.MAJOR


def test_a_stale_page_has_no_service_that_is_well_today() -> None:
    stale = honest(replace(page(), confirmed_ms=NOW_MS - CONFIRMED_FOR_MS - 1))
    assert [(one.state, one.days[-1].worst) for one in stale.services] == [(ServiceState.UNKNOWN,) * 2]


# Days and months


def test_the_bars_are_ninety_days_and_end_today() -> None:
    days = days_of((), LONG_AGO_MS, NOW_MS)
    assert len(days) == DAYS_SHOWN
    assert page_words.date(days[-1].start_ms) == "27 Jul 2026"
    assert {day.worst for day in days} == {ServiceState.OPERATIONAL}
    assert days[-1].seen_ms == NOW_MS % DAY_MS


def test_days_before_a_service_was_watched_are_unknown() -> None:
    days = days_of((), NOW_MS - 2 * DAY_MS, NOW_MS)
    assert [day.worst for day in days[-4:]] == [ServiceState.UNKNOWN, *[ServiceState.OPERATIONAL] * 3]
    assert page_words.day(days[0]).endswith("not watched")


def test_trouble_over_midnight_is_split_between_its_days() -> None:
    midnight_ms = NOW_MS // DAY_MS * DAY_MS
    over = Stretch(ServiceState.PARTIAL, midnight_ms - 5 * MIN_MS, midnight_ms + 7 * MIN_MS)
    days = days_of([over], LONG_AGO_MS, NOW_MS)
    assert [day.trouble_ms // MIN_MS for day in days[-3:]] == [0, 5, 7]
    assert page_words.day(days[-1]) == "27 Jul 2026: partly down, 7 minutes of trouble"
    assert page_words.days_with_problems(days) == "2 days with problems"


def test_a_moment_of_two_troubles_counts_once_as_the_worse() -> None:
    start_ms = NOW_MS - 10 * MIN_MS
    days = days_of(
        [
            Stretch(ServiceState.DEGRADED, start_ms),
            Stretch(ServiceState.MAJOR, start_ms + MIN_MS, start_ms + 2 * MIN_MS),
        ],
        LONG_AGO_MS,
        NOW_MS,
    )
    assert (days[-1].worst, days[-1].trouble_ms) == (ServiceState.MAJOR, 10 * MIN_MS)


_stretch = st.builds(
    lambda state, start_ms, length_ms: Stretch(
        state, start_ms, None if length_ms is None else start_ms + length_ms
    ),
    st.sampled_from(ServiceState),
    st.integers(NOW_MS - 95 * DAY_MS, NOW_MS + DAY_MS),
    st.none() | st.integers(0, 5 * DAY_MS),
)


@given(st.lists(_stretch, max_size=5), st.integers(NOW_MS - 100 * DAY_MS, NOW_MS + DAY_MS))
def test_no_day_holds_more_trouble_than_was_seen_of_it(stretches: list[Stretch], watched_ms: int) -> None:
    for day in days_of(stretches, watched_ms, NOW_MS):
        assert 0 <= day.trouble_ms <= day.seen_ms <= DAY_MS
        assert (day.worst in TROUBLE) == (day.trouble_ms > 0)
        assert day.seen_ms or day.worst is ServiceState.UNKNOWN


def test_history_is_grouped_by_month_with_the_newest_first() -> None:
    june = replace(walked(), id="june", onset_ms=NOW_MS - 30 * DAY_MS)
    groups = months([june, walked()])
    assert [(month.key, month.title) for month in groups] == [
        ("2026-07", "July 2026"),
        ("2026-06", "June 2026"),
    ]
    assert groups[1].incidents == (june,)


# What can be represented


def test_no_public_view_has_a_field_for_a_person() -> None:
    fields = {
        field.name
        for view in (PageView, ServiceView, DayView, IncidentView, UpdateView)
        for field in dataclasses.fields(view)
    }
    assert not fields & {
        "to",
        "email",
        "person",
        "people",
        "customer",
        "recipient",
        "address",
        "subject",
        "host",
    }
    assert {"names", "labels", "annotations"}.isdisjoint(fields)
