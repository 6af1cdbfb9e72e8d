"""Merged incidents are one in the figures: the earliest times, everybody once, and every promise."""

from __future__ import annotations

from functools import partial

from desk.incident import amend
from desk.incident.order import Signed
from desk.ledger import reading
from desk.ledger.family import family, roots
from desk.ledger.story import Story
from desk.state import Impact
from tests.desk import town
from tests.desk.leaves import furnish
from tests.desk.ledger.scene import asking, counted
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, DAN, NOW_MS, ended, signal

BOTH = town.CATALOGUE.replace(
    "- service: search\n  owner: payments\n",
    "- service: search\n  owner: payments\n  impact:\n"
    "  - {when: 'alertname=\"SearchDown\"', impact: major, affects: uses}\n",
).replace("  uses: [checkout]\n  tags: {region: us}", "  uses: [checkout, search]\n  tags: {region: us}")


def merged(stage: Stage, source: str, into: str) -> None:
    order = partial(amend.merge, house=stage.house, ref=source, into=into, signed=Signed("Eve"))
    stage.store.written(partial(order, now_ms=stage.now_ms))


def refs(stage: Stage) -> dict[str, str]:
    return {one["service"]: one["id"] for one in stage.incidents()}


def stories(stage: Stage) -> list[Story]:
    with stage.store.reading() as conn:
        return reading.stories(conn, 0, stage.now_ms + 1)


def both_down(stage: Stage) -> None:
    """Search fails, and is told; ten seconds later checkout does."""
    furnish(stage, catalogue=BOTH)
    stage.hear(signal("SearchDown", service="search"))
    stage.pass_ms(10)
    assert {message.to for message in stage.sent} >= {CLEO, DAN}
    stage.pass_ms(10_000)
    stage.hear(signal(at_ms=stage.now_ms))
    stage.pass_ms(10)


def test_two_that_were_merged_are_one_with_the_earliest_times_and_everybody_once(stage: Stage) -> None:
    both_down(stage)
    known = refs(stage)
    assert len(stories(stage)) == 2
    merged(stage, known["search"], known["checkout"])
    [story] = stories(stage)
    assert story.service == "checkout"
    assert (story.onset_ms, story.detected_ms) == (NOW_MS, NOW_MS)
    assert story.audience == 4
    assert story.told == 4
    assert story.first_word_ms == NOW_MS + 10
    assert [level.impact for level in story.levels][-1] is Impact.MAJOR


def test_whoever_was_told_of_the_merged_one_counts_as_told_in_the_figures(stage: Stage) -> None:
    both_down(stage)
    known = refs(stage)
    merged(stage, known["search"], known["checkout"])
    stage.now_ms += 20_000
    stage.hear(
        ended(signal(at_ms=NOW_MS + 10_010), stage.now_ms),
        ended(signal("SearchDown", service="search"), stage.now_ms),
    )
    stage.pass_ms(1)
    found = counted(stage)
    assert (found.proactive_incidents.k, found.proactive_incidents.n) == (1, 1)
    assert (found.proactive_people.k, found.proactive_people.n) == (4, 4)
    assert sum(found.told.values()) == 1
    assert (found.punctual.k, found.punctual.n) == (0, 0)
    assert found.experienced.entitled >= 4
    assert found.experienced.minutes > 4 * 30_000 / 60_000 - 1


def test_what_people_said_of_the_merged_one_counts_for_the_whole(stage: Stage) -> None:
    both_down(stage)
    known = refs(stage)
    with asking(stage) as desk:
        desk.report(kind="symptom", who=DAN, service="search")
    merged(stage, known["search"], known["checkout"])
    [story] = stories(stage)
    [voice] = story.voices
    assert voice.inside
    assert voice.told_first
    assert story.first_report_ms == stage.now_ms


def test_who_left_one_service_and_was_told_of_the_other_is_not_unwilling(stage: Stage) -> None:
    furnish(stage, catalogue=BOTH)
    stage.leave(CLEO, "search")
    both_down_again(stage)
    known = refs(stage)
    merged(stage, known["search"], known["checkout"])
    [story] = stories(stage)
    assert story.opted_out == 0
    assert story.told == 4


def both_down_again(stage: Stage) -> None:
    stage.hear(signal("SearchDown", service="search"), signal())
    stage.pass_ms(10)


def test_a_chain_of_merged_ones_ends_at_its_last(stage: Stage) -> None:
    both_down(stage)
    known = refs(stage)
    merged(stage, known["search"], known["checkout"])
    with stage.store.reading() as conn:
        of = family(conn, [one.incident for one in reading.stories(conn, 0, stage.now_ms + 1)])
        assert len(of) == 2
        assert len(set(of.values())) == 1
        assert roots(conn, of) == set(of.values())
        [crowd, *others] = reading.crowds(conn, reading.stories(conn, 0, stage.now_ms + 1))
    assert (crowd.people, others) == (4, [])


def test_incidents_that_nobody_merged_stay_two(stage: Stage) -> None:
    both_down(stage)
    assert {(story.service, story.told) for story in stories(stage)} == {("search", 2), ("checkout", 3)}
    assert {ADA, BEN} <= {message.to for message in stage.sent}
