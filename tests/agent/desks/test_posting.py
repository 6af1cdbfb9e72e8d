from __future__ import annotations

from dataclasses import replace

import pytest

from agent.desks.posting import Said, Terms, due
from agent.desks.wire import Posting, rfc3339
from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Healing, Remedy
from remediations.asking.approval import Ask

TERMS = Terms({}, lease_ms=240_000, resend_ms=60_000)
FIRING = Alert(Labels.of(alertname="Down"), {}, AlertState.FIRING, 1.0, 1000, 1000)
NONE = Remedy(Healing.NONE)


def names(alert: Alert, said: Said | None, now_ms: int, remedy: Remedy = NONE) -> list[str]:
    known = {} if said is None else {said.alert.labels: said}
    return [posting.alert.name for posting in due([alert], lambda _: remedy, known, now_ms, TERMS)]


def test_a_pending_alert_is_nobodys_business() -> None:
    assert names(replace(FIRING, state=AlertState.PENDING, fired_at_ms=None), None, 2000) == []


def test_an_alert_is_said_when_it_fires_and_then_once_a_minute() -> None:
    assert names(FIRING, None, 1000) == ["Down"]
    said = Said(FIRING, NONE, 1000)
    assert names(FIRING, said, 60_999) == []
    assert names(FIRING, said, 61_000) == ["Down"]


def test_a_change_is_said_at_once() -> None:
    said = Said(FIRING, NONE, 1000)
    assert names(replace(FIRING, state=AlertState.RESOLVED, resolved_at_ms=1001), said, 1001) == ["Down"]
    assert names(FIRING, said, 1001, Remedy(Healing.ACTING)) == ["Down"]
    assert names(replace(FIRING, unknown_since_ms=1001), said, 1001) == ["Down"]


def test_a_value_that_moved_is_no_news() -> None:
    assert names(replace(FIRING, value=2.0), Said(FIRING, NONE, 1000), 1001) == []


def test_a_resolved_alert_is_repeated_for_fifteen_minutes() -> None:
    resolved = replace(FIRING, state=AlertState.RESOLVED, resolved_at_ms=2000)
    assert names(resolved, Said(resolved, NONE, 800_000), 902_000) == ["Down"]
    assert names(resolved, Said(resolved, NONE, 800_000), 902_001) == []


@pytest.mark.parametrize(
    ("age_ms", "state"), [(0, None), (299_999, None), (300_000, "unknown"), (10**9, "unknown")]
)
def test_an_alert_that_cannot_be_judged_goes_on_firing_and_is_called_unknown_after_five_minutes(
    age_ms: int, state: str | None
) -> None:
    stale = replace(FIRING, unknown_since_ms=2000)
    now_ms = 2000 + age_ms
    assert names(stale, Said(stale, NONE, now_ms - TERMS.resend_ms), now_ms) == ["Down"]
    body = Posting(stale, NONE, {}, TERMS.lease_ms).body(now_ms)
    assert body["endsAt"] == rfc3339(now_ms + TERMS.lease_ms)
    assert body["annotations"]["beforehand_unknown_since_ms"] == "2000"
    assert body["annotations"].get("beforehand_state") == state


def test_the_desk_is_told_what_people_are_asked() -> None:
    ask = Ask(
        "a" * 32, "web1", "heal", "b" * 64, FIRING.labels, 1000, "R1", 1, 1000, 2000, "because", ("run true",)
    )
    [said] = due([FIRING], lambda _: NONE, {}, 1000, TERMS, lambda _: ask)
    assert said.body(1000)["annotations"]["beforehand_ask"] == ask.told()
    [silent] = due([FIRING], lambda _: NONE, {}, 1000, TERMS)
    assert "beforehand_ask" not in silent.body(1000)["annotations"]
