"""A canary that does not come back in time is an alert, and the first that does ends it."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.channels import webhook
from desk.config import Config
from desk.delivery.mime import mime
from desk.ways import canary
from desk.ways.canary import ALERT, Flight, News, back, is_missing
from desk.ways.voices import Canaries
from tests.desk import town
from tests.desk.delivery.test_mime import SENDER
from tests.desk.stage import Stage
from tests.desk.town import SECRET

MINUTE_MS = 60_000
TEXT = """\
channels:
  canaries:
    tell: payments
    to: [{channel: email, to: canary@shop.example}, {channel: webhook, to: "https://shop.example/canary"}]
"""


def configured() -> Config:
    return town.config(town.CONFIG + TEXT)


def canaries() -> Canaries:
    found = configured().channels.canaries
    assert found is not None
    return found


def sent(stage: Stage) -> list[canary.Sent]:
    """Take out every canary that is due."""
    stationery = replace(stage.stationery, canaries=canaries())
    take = partial(canary.take, stationery=stationery, now_ms=stage.now_ms)
    found = []
    while (one := stage.store.written(take)) is not None:
        found.append(one)
    return found


def hear(stage: Stage, one: canary.Sent) -> bool:
    data = mime(one.message, SENDER) if one.channel == "email" else webhook.body_of(one.message)
    found = canary.found(SECRET, data)
    assert found is not None
    channel, sent_ms = found
    return stage.store.written(
        partial(canary.hear, channel=channel, sent_ms=sent_ms, every_ms=5 * MINUTE_MS, now_ms=stage.now_ms)
    )


def news(stage: Stage) -> News:
    return stage.store.written(
        partial(canary.news, canaries=canaries(), started_ms=stage.house.started_ms, now_ms=stage.now_ms)
    )


def test_each_channel_has_its_canary_every_five_minutes(stage: Stage) -> None:
    assert [one.channel for one in sent(stage)] == ["email", "webhook"]
    stage.now_ms += 5 * MINUTE_MS - 1
    assert sent(stage) == []
    stage.now_ms += 1
    assert [one.channel for one in sent(stage)] == ["email", "webhook"]


def test_one_that_is_back_in_time_says_how_long_it_took(stage: Stage) -> None:
    mail, _ = sent(stage)
    stage.now_ms += 3_000
    assert hear(stage, mail)
    with stage.store.reading() as conn:
        flight = canary.flights(conn)["email"]
    assert (flight.took_ms, flight.waits_ms) == (3_000, 0)


def test_one_that_is_missing_is_an_alert_until_the_first_comes_back(stage: Stage) -> None:
    mail, hook = sent(stage)
    hear(stage, hook)
    stage.now_ms += 7 * MINUTE_MS - 1
    assert news(stage).signals == ()
    stage.now_ms += 1
    found = news(stage)
    [alert] = found.signals
    assert (alert.name, alert.labels["channel"], alert.over) == (ALERT, "email", False)
    assert [one.channel for one in found.begun] == ["email"]
    assert news(stage).begun == (), "it begins once"
    later = sent(stage)
    assert hear(stage, next(one for one in later if one.channel == "email"))
    found = news(stage)
    [alert] = found.signals
    assert (alert.labels["channel"], alert.over) == ("email", True)
    assert [one.channel for one in found.ended] == ["email"]
    assert news(stage).signals == ()
    assert not mail.message.return_path


def test_one_that_comes_much_too_late_does_not_end_the_alert(stage: Stage) -> None:
    first, _ = sent(stage)
    for _ in range(5):
        stage.now_ms += 5 * MINUTE_MS
        sent(stage)
    news(stage)
    hear(stage, first)
    assert [one.labels["channel"] for one in news(stage).signals if not one.over] == ["email", "webhook"]


def test_a_channel_without_its_canary_any_more_is_no_alert(stage: Stage) -> None:
    sent(stage)
    stage.now_ms += 10 * MINUTE_MS
    assert len(news(stage).signals) == 2
    found = stage.store.written(partial(canary.news, canaries=None, started_ms=0, now_ms=stage.now_ms))
    assert [one.over for one in found.signals] == [True, True]
    with stage.store.reading() as conn:
        assert canary.flights(conn) == {}


def test_one_that_nobody_sent_is_not_believed(stage: Stage) -> None:
    [mail, _] = sent(stage)
    forged = canary.token(b"t" * 32, "email", stage.now_ms)
    assert canary.found(SECRET, forged.encode()) is None
    raw = mime(mail.message, SENDER)
    assert canary.found(SECRET, raw.replace(b"canary-email-", b"canary-sms-")) is None
    ahead = canary.token(SECRET, "email", stage.now_ms + 1)
    channel, sent_ms = canary.found(SECRET, ahead.encode()) or ("", 0)
    assert not stage.store.written(
        partial(canary.hear, channel=channel, sent_ms=sent_ms, every_ms=1, now_ms=stage.now_ms)
    )


def test_its_token_is_read_from_the_mail_as_it_travels(stage: Stage) -> None:
    [mail, _] = sent(stage)
    data = mime(replace(mail.message, subject=f"[TEST] {mail.message.subject}"), SENDER)
    assert canary.found(SECRET, data) == ("email", stage.now_ms)
    assert "canary" in str(message_from_bytes(data, policy=policy.default)["Subject"])


@given(st.binary(max_size=500))
def test_noise_is_no_canary(noise: bytes) -> None:
    assert canary.found(SECRET, b"canary-email-" + noise) is None


@pytest.mark.parametrize(
    ("waits_ms", "started_ms", "missing"), [(0, 0, False), (1, 0, True), (1, 500, False)]
)
def test_while_the_desk_was_not_there_none_is_missing(waits_ms: int, started_ms: int, missing: bool) -> None:
    assert is_missing(Flight("email", waits_ms=waits_ms), started_ms, 1_000, 1_001) is missing


@pytest.mark.parametrize(("came_ms", "waits_ms"), [(900, 0), (100, 400), (700, 900)])
def test_which_one_is_waited_for_after_one_came(came_ms: int, waits_ms: int) -> None:
    assert back(Flight("email", sent_ms=900, waits_ms=100), came_ms, 300) == waits_ms
