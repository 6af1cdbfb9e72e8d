"""What a silence means for incidents and people, one transaction at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from desk.alertmanager import silence_book
from desk.alertmanager.silence import Silence
from desk.alertmanager.silence_api import told
from model.matcher import Matchers
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ACTING

HOUR_MS = 3_600_000


def silence(stage: Stage, text: str = 'alertname="CheckoutDown"', length_ms: int = HOUR_MS) -> str:
    posted = Silence(
        "", Matchers.parse(text).each, stage.now_ms, stage.now_ms + length_ms, stage.now_ms, "ada", "known"
    )
    return stage.store.written(partial(silence_book.put, posted=posted, fresh_id="s1", now_ms=stage.now_ms))


def expire(stage: Stage, key: str) -> None:
    stage.store.written(partial(silence_book.expire, key=key, now_ms=stage.now_ms))


def test_a_silenced_alert_opens_nothing_and_nobody_is_told(stage: Stage) -> None:
    silence(stage)
    stage.hear(town.signal(remedy=ACTING))
    stage.pass_ms(60_000)
    assert stage.incidents() == []
    assert stage.sent == []


def test_when_a_silence_ends_what_still_fires_is_told(stage: Stage) -> None:
    key = silence(stage)
    stage.hear(town.signal(remedy=ACTING))
    stage.now_ms += 30_000
    expire(stage, key)
    stage.pass_ms(5_000)
    assert stage.incident()["service"] == "checkout"
    assert stage.told() == {town.ADA, town.BEN, town.CLEO}


def test_who_ended_a_silence_is_written_down_and_one_that_ran_out_was_ended_by_nobody(stage: Stage) -> None:
    key = silence(stage)
    stage.now_ms += 1
    for by in ("eve", "finn"):
        stage.store.written(partial(silence_book.expire, key=key, now_ms=stage.now_ms, by=by))
    with stage.store.reading() as conn:
        found = silence_book.one_silence(conn, key)
    assert found is not None
    assert (found.created_by, found.ended_by) == ("ada", "eve")
    assert told(found, stage.now_ms)["endedBy"] == "eve"
    assert "endedBy" not in told(replace(found, ended_by=""), stage.now_ms)


def test_a_silence_that_runs_out_is_as_one_that_is_ended(stage: Stage) -> None:
    silence(stage, length_ms=30_000)
    stage.hear(town.signal(remedy=ACTING))
    stage.pass_ms(29_999)
    assert stage.incidents() == []
    stage.pass_ms(1)
    assert stage.incident()["state"] == "identified"


def test_what_ended_under_a_silence_is_never_told(stage: Stage) -> None:
    silence(stage, length_ms=30_000)
    stage.hear(town.signal(remedy=ACTING))
    stage.now_ms += 10_000
    stage.hear(town.ended(town.signal(), stage.now_ms))
    stage.pass_ms(60_000)
    assert stage.incidents() == []


def test_a_silence_takes_nothing_back_whoever_was_told_hears_the_end(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.deliver()
    silence(stage)
    stage.now_ms += 60_000
    stage.hear(town.ended(town.signal(), stage.now_ms))
    stage.pass_ms(1_000)
    assert stage.incident()["state"] == "resolved"
    assert len(stage.letters(town.BEN)) == 2


def test_an_alert_beside_the_silenced_one_is_heard(stage: Stage) -> None:
    silence(stage, 'alertname="CheckoutSlow"')
    stage.hear(town.signal(remedy=ACTING), town.signal("CheckoutSlow", region="eu"))
    assert [one["labels"]["alertname"] for one in stage.incident()["alerts"]] == ["CheckoutDown"]


def test_old_silences_are_forgotten(stage: Stage) -> None:
    silence(stage, length_ms=1_000)
    stage.now_ms += silence_book.KEPT_MS + 2_000
    stage.store.written(partial(silence_book.forget, now_ms=stage.now_ms))
    with stage.store.reading() as conn:
        assert silence_book.silences(conn) == []
