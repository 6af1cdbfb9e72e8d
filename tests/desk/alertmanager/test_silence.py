from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alertmanager import silence as rules
from desk.alertmanager.silence import Silence, SilenceState, Unsound
from model.matcher import Matchers

NOW_MS = 1_000_000
HOUR_MS = 3_600_000


def silence(
    text: str = 'alertname="Down"',
    key: str = "s1",
    starts_ms: int = NOW_MS,
    ends_ms: int = NOW_MS + HOUR_MS,
    updated_ms: int = NOW_MS,
) -> Silence:
    return Silence(key, Matchers.parse(text).each, starts_ms, ends_ms, updated_ms)


def test_it_mutes_from_its_start_to_its_end_and_not_at_its_end() -> None:
    one = silence()
    down = {"alertname": "Down"}
    assert not one.mutes(down, NOW_MS - 1)
    assert one.mutes(down, NOW_MS)
    assert one.mutes(down, NOW_MS + HOUR_MS - 1)
    assert not one.mutes(down, NOW_MS + HOUR_MS)
    assert not one.mutes({"alertname": "Slow"}, NOW_MS)


def test_all_its_matchers_must_hold() -> None:
    one = silence('alertname=~"Down|Slow", host!="db"')
    assert one.mutes({"alertname": "Slow"}, NOW_MS)
    assert not one.mutes({"alertname": "Slow", "host": "db"}, NOW_MS)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (replace(silence(), matchers=()), "at least one matcher required"),
        (silence('a=""'), "must not match the empty string"),
        (silence('a=~".*", b!="x"'), "must not match the empty string"),
        (silence(ends_ms=NOW_MS - 1, starts_ms=NOW_MS - 5), "can't be in the past"),
        (silence(starts_ms=NOW_MS + 9, ends_ms=NOW_MS + 9), "start time must be before end time"),
        (replace(silence(), matchers=silence().matchers * 65), "at most 64 matchers"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Silence, sentence: str) -> None:
    with pytest.raises(Unsound, match=sentence):
        rules.sound(wrong, NOW_MS)


def test_a_silence_of_the_past_begins_now() -> None:
    assert rules.sound(silence(starts_ms=1), NOW_MS).starts_ms == NOW_MS


def test_a_silence_at_work_can_be_made_longer_and_keeps_its_id() -> None:
    old, later_ms = silence(), NOW_MS + 60_000
    kept = rules.changed(old, replace(old, ends_ms=old.ends_ms + HOUR_MS), "s2", later_ms)
    assert (kept.silence.id, kept.silence.starts_ms, kept.ended) == ("s1", NOW_MS, None)


def test_other_matchers_end_the_old_one_and_make_a_new_one() -> None:
    old, later_ms = silence(), NOW_MS + 60_000
    kept = rules.changed(old, replace(silence('alertname="Slow"')), "s2", later_ms)
    assert kept.silence.id == "s2"
    assert kept.ended is not None
    assert (kept.ended.id, kept.ended.state_at(later_ms)) == ("s1", SilenceState.EXPIRED)


def test_one_that_is_over_is_never_woken() -> None:
    old = silence(ends_ms=NOW_MS + 5)
    kept = rules.changed(old, silence(ends_ms=NOW_MS + HOUR_MS), "s2", NOW_MS + 10)
    assert (kept.silence.id, kept.ended) == ("s2", None)


def test_one_that_waits_can_be_called_off() -> None:
    waiting = silence(starts_ms=NOW_MS + 50)
    assert waiting.state_at(NOW_MS) is SilenceState.PENDING
    assert rules.expired(waiting, NOW_MS).state_at(NOW_MS) is SilenceState.EXPIRED


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10))
def test_whatever_is_posted_over_it_no_two_silences_are_made_of_one(start: int, end: int, now: int) -> None:
    old = silence(starts_ms=start, ends_ms=end, updated_ms=0)
    try:
        kept = rules.changed(old, replace(old, ends_ms=20, starts_ms=now), "s2", now)
    except Unsound:
        return
    alive = [one for one in (kept.silence, kept.ended) if one and one.state_at(now) is SilenceState.ACTIVE]
    assert len(alive) <= 1


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ('alertname="Down"', True),
        ('alertname="Slow"', False),
        ('alertname=~"D.*"', True),
        ('host=""', True),
        ('host!=""', False),
        ('alertname!=""', True),
    ],
)
def test_a_filter_looks_at_what_a_silence_names(asked: str, found: bool) -> None:
    assert rules.wanted(silence(), [Matchers.parse(asked)]) is found


def test_those_at_work_come_first_then_those_that_wait_then_the_last_that_ended() -> None:
    every = [
        silence(key="old", ends_ms=NOW_MS - 9, starts_ms=0),
        silence(key="older", ends_ms=NOW_MS - 99, starts_ms=0),
        silence(key="later", starts_ms=NOW_MS + 9),
        silence(key="soon", starts_ms=NOW_MS + 5),
        silence(key="long", ends_ms=NOW_MS + 99),
        silence(key="short", ends_ms=NOW_MS + 9),
    ]
    order = ["short", "long", "soon", "later", "old", "older"]
    assert [one.id for one in rules.in_order(every, NOW_MS)] == order
