"""Alerts become one incident per service and episode, and each decision says why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from desk.incident import correlate as decide
from desk.incident.decision import Decision, Ended, Ignored, Joined, LostSight, Moved, Opened, WasOver
from desk.incident.escalation import reason_to_escalate
from desk.incident.incident import Change, Incident, Signal
from desk.incident.scene import RESEND_GRACE_MS, Scene, Sight
from desk.state import Impact, IncidentState
from model.outcome import Healing, Outcome, Remedy
from tests.desk import town
from tests.desk.town import ACTING, FAILED, FIXED, NOW_MS, VERIFYING

CATALOGUE = town.catalogue()
CLEAR = Sight(blind=False, started_ms=0)
BLIND = Sight(blind=True, started_ms=0)


def correlate(
    incident: Incident | None, signals: Sequence[Signal], now_ms: int = NOW_MS, sight: Sight = CLEAR
) -> tuple[Decision, ...]:
    known = {incident.service: incident} if incident else {}
    changes = [Change(signal, fresh=True) for signal in signals]
    return decide.correlate(CATALOGUE, Scene(sight, known), changes, now_ms)


def incident(*signals: Signal, state: IncidentState = IncidentState.INVESTIGATING) -> Incident:
    return Incident(
        1, "ref", "checkout", Impact.MAJOR, Impact.MAJOR, state, NOW_MS, decide.timeline_of(signals), signals
    )


def test_a_first_alert_opens_an_incident_with_the_worst_impact() -> None:
    slow, down = town.signal("CheckoutSlow", region="eu"), town.signal()
    [opened] = correlate(None, [slow, down])
    assert isinstance(opened, Opened)
    assert (opened.service, opened.impact) == ("checkout", Impact.MAJOR)
    assert opened.state is IncidentState.INVESTIGATING
    assert "no open incident" in opened.reason


def test_the_onset_is_the_first_bad_sample_and_never_after_the_alert() -> None:
    early = Remedy(Healing.ACTING, onset_ms=NOW_MS - 20_000)
    late = Remedy(Healing.ACTING, onset_ms=NOW_MS + 20_000)
    assert decide.timeline_of([town.signal(remedy=early)]).onset_ms == NOW_MS - 20_000
    assert decide.timeline_of([town.signal(remedy=late)]).onset_ms == NOW_MS


def test_a_second_alert_joins_the_open_incident() -> None:
    one, two = town.signal(), town.signal(instance="web2")
    [joined] = correlate(incident(one), [two])
    assert isinstance(joined, Joined)
    assert joined.signals == (two,)


def test_a_repeated_alert_changes_nothing() -> None:
    one = town.signal()
    assert correlate(incident(one), [one]) == ()


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        (town.signal("Other"), "neither the catalogue nor a label"),
        (town.signal("Other", impact="unknown"), "shown as unknown"),
        (town.signal("Other", impact="?!"), "shown as unknown"),
        (town.signal("Other", service="nobody"), "no live service"),
    ],
)
def test_an_alert_without_a_known_impact_opens_nothing(signal: Signal, why: str) -> None:
    [ignored] = correlate(None, [signal])
    assert isinstance(ignored, Ignored)
    assert why in ignored.reason


@pytest.mark.parametrize(
    ("remedy", "state"),
    [
        (None, IncidentState.INVESTIGATING),
        (Remedy(Healing.PROPOSED), IncidentState.INVESTIGATING),
        (ACTING, IncidentState.IDENTIFIED),
        (VERIFYING, IncidentState.MONITORING),
        (FAILED, IncidentState.INVESTIGATING),
    ],
)
def test_the_state_follows_the_remedy(remedy: Remedy | None, state: IncidentState) -> None:
    [opened] = correlate(None, [town.signal(remedy=remedy)])
    assert isinstance(opened, Opened)
    assert opened.state is state


def test_the_state_is_that_of_the_alert_least_advanced() -> None:
    one, two = town.signal(remedy=VERIFYING), town.signal(instance="web2", remedy=ACTING)
    [opened] = correlate(None, [one, two])
    assert isinstance(opened, Opened)
    assert opened.state is IncidentState.IDENTIFIED


def test_a_repair_in_vain_falls_back_to_what_is_known() -> None:
    [moved] = correlate(incident(town.signal(remedy=FAILED), state=IncidentState.MONITORING), [])
    assert isinstance(moved, Moved)
    assert moved.state is IncidentState.IDENTIFIED
    assert "nginx -t says no" in moved.reason


def test_an_incident_ends_when_every_alert_has_ended() -> None:
    one, two = town.signal(), town.signal(instance="web2")
    over = town.ended(one, NOW_MS + 5_000)
    assert correlate(incident(over, two), [], NOW_MS + 5_000) == ()
    [end] = correlate(incident(over, town.ended(two, NOW_MS + 6_000)), [], NOW_MS + 6_000)
    assert isinstance(end, Ended)
    assert not end.healed
    assert end.timeline.healed_ms == NOW_MS + 6_000


@pytest.mark.parametrize("remedy", [ACTING, VERIFYING])
def test_an_end_waits_for_the_remedy_to_close_but_not_for_ever(remedy: Remedy) -> None:
    over = town.ended(town.signal(remedy=remedy), NOW_MS + 5_000)
    [moved] = correlate(incident(over), [], NOW_MS + 5_000)
    assert isinstance(moved, Moved)
    assert moved.state is IncidentState.MONITORING
    [end] = correlate(incident(over), [], NOW_MS + 5_000 + decide.REMEDY_GRACE_MS)
    assert isinstance(end, Ended)


def test_a_proven_repair_heals() -> None:
    over = town.ended(town.signal(remedy=VERIFYING), NOW_MS + 3_000, FIXED)
    [end] = correlate(incident(over), [], NOW_MS + 3_000)
    assert isinstance(end, Ended)
    assert end.healed
    assert (end.timeline.healed_ms, end.timeline.verified_ms) == (NOW_MS + 1_000, NOW_MS + 3_000)


def test_a_repair_beside_a_failed_one_does_not_count_as_healing() -> None:
    one = town.ended(town.signal(), NOW_MS + 3_000, FIXED)
    two = town.ended(town.signal(instance="web2"), NOW_MS + 3_000, FAILED)
    [end] = correlate(incident(one, two), [], NOW_MS + 3_000)
    assert isinstance(end, Ended)
    assert not end.healed


def test_an_episode_that_was_over_before_it_was_heard_of_is_recorded() -> None:
    over = town.ended(town.signal(), NOW_MS + 3_000, FIXED)
    [recorded] = correlate(None, [over], NOW_MS + 60_000)
    assert isinstance(recorded, WasOver)
    assert recorded.healed
    [ignored] = correlate(None, [over], NOW_MS + decide.LATE_MAX_MS + 3_000)
    assert isinstance(ignored, Ignored)


def test_an_end_that_is_repeated_after_the_incident_is_closed_opens_nothing() -> None:
    over = town.ended(town.signal(), NOW_MS + 3_000)
    [ignored] = decide.correlate(CATALOGUE, Scene(CLEAR), [Change(over, fresh=False)], NOW_MS + 60_000)
    assert isinstance(ignored, Ignored)


def test_silence_ends_an_alert_while_every_known_agent_is_heard() -> None:
    [end] = correlate(incident(town.signal()), [], NOW_MS + 240_000)
    assert isinstance(end, Ended)


def test_silence_together_with_an_agent_keeps_the_incident_open_and_unknown() -> None:
    [lost] = correlate(incident(town.signal()), [], NOW_MS + 240_000, BLIND)
    assert isinstance(lost, LostSight)
    one = town.ended(town.signal(), NOW_MS + 1_000)
    [end] = correlate(incident(one), [], NOW_MS + 240_000, BLIND)
    assert isinstance(end, Ended)


def test_silence_while_the_desk_was_down_is_given_time_to_break() -> None:
    started = Sight(blind=False, started_ms=NOW_MS + 600_000)
    assert correlate(incident(town.signal()), [], NOW_MS + 601_000, started) == ()
    [end] = correlate(incident(town.signal()), [], NOW_MS + 600_000 + RESEND_GRACE_MS, started)
    assert isinstance(end, Ended)


@pytest.mark.parametrize(
    ("remedy", "escalates"),
    [
        (Remedy(Healing.ACTING), False),
        (Remedy(Healing.PROPOSED), False),
        (Remedy(Healing.PROPOSED, escalate=True), True),
        (FAILED, True),
        (Remedy(Outcome.INEFFECTIVE), True),
        (Remedy(Outcome.HARMFUL), True),
        (FIXED, False),
    ],
)
def test_a_remedy_that_does_not_help_calls_people(remedy: Remedy, escalates: bool) -> None:
    assert bool(reason_to_escalate(incident(town.signal(remedy=remedy)), 60_000, NOW_MS)) is escalates


@pytest.mark.parametrize("remedy", [None, Remedy(Healing.NONE)])
def test_an_alert_without_a_remedy_is_given_patience(remedy: Remedy | None) -> None:
    silent = incident(town.signal(remedy=remedy))
    assert reason_to_escalate(silent, 60_000, NOW_MS + 59_999) == ""
    assert reason_to_escalate(silent, 60_000, NOW_MS + 60_000) == "No playbook answers to it."
