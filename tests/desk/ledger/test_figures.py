"""The figures, against the same once more person by person, and against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.ledger.experienced import Crowd, experienced
from desk.ledger.figures import (
    FLAP_MS,
    Figures,
    Truth,
    episodes,
    figures,
    healed,
    proactive_people,
    punctual,
    told,
)
from desk.ledger.share import Share, Spread, spread
from desk.ledger.story import Answer, Healed, Level, Promise, Repair, Story, Told, Voice, Word
from desk.state import Impact
from tests.desk.ledger import slow

WINDOW_MS = 400
LEVELS = (Impact.MAJOR, Impact.PARTIAL, Impact.DEGRADED, Impact.MINOR)


@st.composite
def affairs(draw: st.DrawFn) -> slow.Affair:
    onset_ms = draw(st.integers(1, 100))
    closed_ms = draw(st.integers(onset_ms + 30, 300))
    moments = st.integers(onset_ms, closed_ms)
    levels = sorted(draw(st.lists(moments, min_size=1, max_size=3)))
    people = [draw(persons(number, onset_ms, closed_ms)) for number in range(1, draw(st.integers(1, 7)))]
    strangers = [
        slow.One(-number, False, reported_ms=draw(moments)) for number in range(1, draw(st.integers(1, 3)))
    ]
    return slow.Affair(
        number=0,
        service=draw(st.sampled_from(["a", "b"])),
        onset_ms=onset_ms,
        detected_ms=onset_ms + draw(st.integers(0, 9)),
        closed_ms=closed_ms,
        levels=[Level(at_ms, draw(st.sampled_from(LEVELS))) for at_ms in levels],
        promises=[Promise(draw(moments), draw(st.just(0) | moments)) for _ in range(draw(st.integers(0, 2)))],
        people=people + strangers,
    )


@st.composite
def persons(draw: st.DrawFn, number: int, onset_ms: int, closed_ms: int) -> slow.One:
    moments = st.integers(onset_ms, closed_ms)
    inside = draw(st.booleans())
    told_ms = draw(st.just(0) | moments) if inside else 0
    answer = draw(st.none() | st.sampled_from(Answer)) if told_ms else None
    reported_ms = draw(st.just(0) | moments)
    opted_out = inside and not told_ms and draw(st.booleans())
    return slow.One(number, inside, told_ms, told_ms, reported_ms, answer, opted_out)


@st.composite
def worlds(draw: st.DrawFn) -> list[slow.Affair]:
    found = draw(st.lists(affairs(), max_size=3))
    for number, affair in enumerate(found, 1):
        affair.number = number
    return found


def counted(world: list[slow.Affair]) -> Figures:
    return figures([one.story() for one in world], slow.crowds(world), 0, 0, WINDOW_MS)


@given(worlds())
@settings(max_examples=150)
def test_the_figures_are_those_of_counting_person_by_person(world: list[slow.Affair]) -> None:
    found = counted(world)
    share, truth = found.proactive_people, found.truth
    assert (share.k, share.n) == slow.people_told_first(world)
    assert (truth.told_affected, truth.told_untouched, truth.missed, truth.unknown) == slow.truth(world)
    waits, total = slow.waits(world), found.inform["total"]
    assert (total.n, total.p50_ms, total.p90_ms) == (len(waits), slow.rank(waits, 50), slow.rank(waits, 90))
    due = [promise for one in world for promise in one.promises]
    kept = sum(bool(one.kept_ms) and one.kept_ms <= one.due_ms for one in due)
    assert found.punctual == Share(kept, len(due))


@given(worlds())
@settings(max_examples=60)
def test_the_experienced_minutes_are_those_of_every_millisecond(world: list[slow.Affair]) -> None:
    found = counted(world).experienced
    assert found.minutes == pytest.approx(slow.minutes(world, 0, WINDOW_MS))
    assert sum((found.by or {}).values()) == pytest.approx(found.minutes)


@given(worlds())
@settings(max_examples=60)
def test_every_share_stays_within_its_interval_and_every_class_has_its_incidents(
    world: list[slow.Affair],
) -> None:
    found = counted(world)
    real = [one for one in world if any(some.counts or some.reported_ms for some in one.people)]
    assert sum(found.told.values()) == len(real)
    for share in (found.proactive_incidents, found.coverage, found.proactive_people, found.truth.recall):
        if share.interval is not None and share.value is not None:
            low, high = share.interval
            assert 0 <= low <= share.value <= high <= 1
    assert found.coverage.n >= found.proactive_incidents.n


def story(**more: Any) -> Story:
    plain = Story(
        incident=1,
        service="a",
        impact=Impact.MAJOR,
        onset_ms=1_000,
        detected_ms=2_000,
        closed_ms=600_000,
        over_ms=500_000,
        audience=3,
        levels=(Level(2_000, Impact.MAJOR),),
    )
    return replace(plain, **more)


WORD = Word(2_500, 3_000)


@pytest.mark.parametrize(
    ("words", "report_ms", "expected"),
    [
        ((WORD,), 3_001, Told.BEFORE),
        ((WORD,), 0, Told.ONLY),
        ((WORD,), 3_000, Told.AFTER),
        ((WORD,), 2_999, Told.AFTER),
        ((), 5_000, Told.AFTER),
        ((), 0, Told.NEVER),
    ],
)
def test_a_tie_goes_to_whoever_reported(words: tuple[Word, ...], report_ms: int, expected: Told) -> None:
    voices = (Voice(reported_ms=report_ms),) if report_ms else ()
    assert told(story(words=words, voices=voices)) is expected


def test_an_incident_that_people_had_to_report_is_never_proactive() -> None:
    assert told(story(words=(WORD,), from_report=True)) is Told.AFTER


def test_telling_nobody_does_not_make_the_coverage_good() -> None:
    found = figures([story(words=(WORD,)), story(incident=2)], [], 0, 0, 10**6)
    assert found.proactive_incidents == Share(1, 1)
    assert found.coverage == Share(1, 2)


def test_whoever_denies_being_affected_is_no_success_and_a_false_notice() -> None:
    denied = Voice(told_ms=3_000, answer=Answer.NOT_AFFECTED)
    one = story(words=(Word(2_500, 3_000, 3),), voices=(denied,))
    assert proactive_people(one) == Share(2, 2)
    assert figures([one], [], 0, 0, 10**6).false_notices == Share(1, 3)


def test_where_everybody_denies_it_the_notices_count_as_wrong_all_the_same() -> None:
    denied = Voice(told_ms=3_000, answer=Answer.NOT_AFFECTED)
    found = figures([story(words=(WORD,), voices=(denied,), audience=1)], [], 0, 0, 10**6)
    assert found.truth.precision == Share(0, 1)
    assert found.inform["total"].n == 1
    assert sum(found.told.values()) == 0


def test_all_notices_of_what_was_retracted_were_false_and_it_is_no_incident() -> None:
    found = figures([story(words=(Word(2_500, 3_000, 3),), retracted=True)], [], 0, 0, 10**6)
    assert found.false_notices == Share(3, 3)
    assert found.truth.precision == Share(0, 3)
    assert sum(found.told.values()) == 0


def test_an_open_incident_and_one_of_another_time_are_not_judged() -> None:
    found = figures([story(closed_ms=0), story(incident=2, closed_ms=10**6)], [], 0, 0, 10**6)
    assert found.still_open == 2
    assert sum(found.told.values()) == 0


def test_the_stages_of_informing_add_up() -> None:
    found = figures([story(words=(Word(2_500, 4_000, 9),), audience=9)], [], 0, 0, 10**6).inform
    assert [found[stage].p50_ms for stage in ("detect", "decide", "deliver", "total")] == [
        1_000,
        500,
        1_500,
        3_000,
    ]
    assert found["total"].n == 9


def test_the_lead_time_is_negative_where_the_report_came_first() -> None:
    early = story(words=(WORD,), voices=(Voice(told_ms=3_000, reported_ms=63_000),))
    late = story(incident=2, words=(WORD,), voices=(Voice(told_ms=3_000, reported_ms=2_000),))
    found = figures([early, late], [], 0, 0, 10**6)
    assert (found.lead.n, found.lead.p50_ms, found.lead.p90_ms) == (2, -1_000, 60_000)


REPAIRED = Repair(True, True, healed_ms=31_000, verified_ms=40_000)


@pytest.mark.parametrize(
    ("repair", "more", "expected"),
    [
        (REPAIRED, {}, Healed.SILENT),
        (REPAIRED, {"words": (WORD,)}, Healed.FAST),
        (REPAIRED, {"voices": (Voice(reported_ms=9_000),)}, Healed.FAST),
        (replace(REPAIRED, verified_ms=0), {}, Healed.FAST),
        (replace(REPAIRED, healed_ms=100_000), {}, Healed.FAST),
        (replace(REPAIRED, healed_ms=200_000), {}, Healed.VISIBLE),
        (Repair(True, True), {}, Healed.FAILED),
        (Repair(True), {}, Healed.SPONTANEOUS),
    ],
)
def test_a_heal_is_silent_only_if_it_was_proved_before_anybody_noticed(
    repair: Repair, more: dict[str, Any], expected: Healed
) -> None:
    assert healed(story(repair=repair, **more)) is expected


def test_what_comes_back_within_half_an_hour_is_one_episode_and_was_not_silent() -> None:
    first = story(repair=REPAIRED, over_ms=40_000)
    soon = replace(first, incident=2, onset_ms=40_000 + FLAP_MS)
    soon = replace(
        soon, repair=replace(REPAIRED, healed_ms=soon.onset_ms + 9, verified_ms=soon.onset_ms + 10)
    )
    later = replace(soon, onset_ms=soon.onset_ms + 1)
    assert [how for how, _ in episodes([first, soon])] == [Healed.VISIBLE]
    assert [how for how, _ in episodes([first, later])] == [Healed.SILENT, Healed.SILENT]
    assert episodes([story()]) == []


def test_a_promise_counts_when_it_is_due_and_is_broken_by_one_millisecond() -> None:
    promises = (Promise(100, 100), Promise(200, 201), Promise(300, 0), Promise(900, 50))
    assert punctual([story(promises=promises)], 0, 900) == Share(1, 3)


def test_two_services_that_fail_at_once_cost_a_person_each_minute_once() -> None:
    minute = 60_000
    one = story(onset_ms=0, over_ms=4 * minute, levels=(Level(0, Impact.DEGRADED),))
    two = story(incident=2, service="b", onset_ms=minute, over_ms=2 * minute)
    both, only = Crowd(frozenset({1, 2}), 2), Crowd(frozenset({1}), 1)
    found = experienced([one, two], [both, only], 10, 0, 10 * minute)
    assert found.minutes == pytest.approx(2 * (1 + 3 * 0.3) + 4 * 0.3)
    assert (found.by or {})["b", Impact.MAJOR] == pytest.approx(2)
    assert found.untouched == Share(7, 10)
    assert found.mean == pytest.approx(found.minutes / 10)
    assert found.p95 == pytest.approx(1.9)


def test_nobody_at_all_is_no_data() -> None:
    found = figures([], [], 0, 0, 1)
    assert str(found.proactive_people) == "no data"
    assert found.inform["total"] == Spread()
    assert found.experienced.mean is None
    assert found.truth.f(2) is None


def test_a_missed_person_costs_more_under_f2_than_a_false_notice() -> None:
    missed, wrong = Truth(told_affected=8, missed=2), Truth(told_affected=8, told_untouched=2)
    two, half = (missed.f(2), wrong.f(2)), (missed.f(0.5), wrong.f(0.5))
    assert two == pytest.approx((40 / 48, 40 / 42))
    assert half == pytest.approx((10 / 10.5, 10 / 12))


@pytest.mark.parametrize(
    ("k", "n", "said"),
    [
        (0, 0, "no data"),
        (1, 4, "1 of 4"),
        (18, 20, "90.0 % (70 to 97 %, 18 of 20)"),
        (5, 5, "100.0 % (57 to 100 %, 5 of 5)"),
        (0, 5, "0.0 % (0 to 43 %, 0 of 5)"),
    ],
)
def test_a_share_says_how_sure_it_is(k: int, n: int, said: str) -> None:
    assert str(Share(k, n)) == said


@pytest.mark.parametrize(("k", "n"), [(2, 1), (-1, 1)])
def test_more_than_all_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        Share(k, n)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 3)), max_size=30))
def test_a_spread_is_that_of_the_lengths_one_by_one(pairs: list[tuple[int, int]]) -> None:
    flat = [length for length, count in pairs for _ in range(count)]
    found = spread(pairs)
    assert (found.n, found.p50_ms, found.p90_ms, found.p99_ms) == (
        len(flat),
        *(slow.rank(flat, percent) for percent in (50, 90, 99)),
    )
