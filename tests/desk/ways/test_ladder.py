from __future__ import annotations

import pytest

from desk.ways.ladder import End, Rung, next_rung

WAYS = ("email", "webhook", "sms")
MINUTES_MS = 300_000


def test_an_urgent_message_that_stays_unread_goes_the_next_way_after_a_while() -> None:
    found = next_rung(WAYS, "email", "accepted", 1_000, MINUTES_MS)
    assert found == Rung("webhook", 1_000 + MINUTES_MS, "email is not read yet")


def test_what_failed_for_good_goes_the_next_way_at_once_urgent_or_not() -> None:
    for wait_ms in (0, MINUTES_MS):
        found = next_rung(WAYS, "webhook", "failed", 1_000, wait_ms)
        assert found == Rung("sms", 1_000, "webhook failed for good")


@pytest.mark.parametrize(
    ("ways", "channel", "end", "wait_ms"),
    [
        (WAYS, "email", "accepted", 0),
        (WAYS, "sms", "accepted", MINUTES_MS),
        (WAYS, "sms", "failed", MINUTES_MS),
        (WAYS, "chat", "failed", MINUTES_MS),
        ((), "email", "failed", MINUTES_MS),
    ],
)
def test_nothing_follows_where_it_was_enough_or_no_way_is_left(
    ways: tuple[str, ...], channel: str, end: End, wait_ms: int
) -> None:
    assert next_rung(ways, channel, end, 1_000, wait_ms) is None
