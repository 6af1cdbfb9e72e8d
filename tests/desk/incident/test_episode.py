"""From an alert to its people: what is opened, held, said, withdrawn and ended, one transaction at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from desk import schema
from desk.delivery.dispatch import Idle, Task
from desk.delivery.outbox import MINUTE_MS
from desk.incident.incident import Signal
from model.outcome import Healing, Remedy
from model.plugin import Undelivered
from tests.desk import stage as theatre
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ACTING, ADA, BEN, CLEO, DAN, FAILED, FIXED, NOW_MS, ON_CALL, VERIFYING

EVERYBODY = [ADA, BEN, CLEO]
HOLD_MS = 60_000
QUIET = town.CATALOGUE.replace(
    "{name: Ben, email: ben@acme.example}", '{name: Ben, email: ben@acme.example, quiet: "03:00-07:00"}'
)


def slow() -> Signal:
    return town.signal("CheckoutSlow", remedy=ACTING, region="eu")


def heal(stage: Stage, signal: Signal) -> None:
    stage.hear(town.ended(signal, stage.now_ms, VERIFYING))
    stage.hear(town.ended(signal, stage.now_ms, FIXED))


def test_a_major_incident_is_told_at_once_to_exactly_its_people(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    assert stage.deliver() == EVERYBODY
    incident = stage.incident()
    assert (incident["state"], incident["impact"]) == ("identified", "major")
    assert incident["told_ms"] == NOW_MS
    assert stage.told() == set(EVERYBODY)
    [outsider] = incident["not_told"]
    assert (outsider["email"], outsider["why"]) == (DAN, "cedar does not use Checkout.")


def test_a_hundred_repetitions_are_one_incident_and_one_notice(stage: Stage) -> None:
    for step in range(100):
        stage.now_ms = NOW_MS + step * 100
        stage.hear(town.signal(at_ms=stage.now_ms, remedy=ACTING))
    assert stage.deliver() == EVERYBODY
    assert len(stage.incidents()) == 1


def test_an_alert_with_a_short_lease_lives_as_long_as_it_is_repeated(stage: Stage) -> None:
    for _ in range(20):
        stage.hear(town.signal(at_ms=stage.now_ms, lasts_ms=30_000))
        stage.pass_ms(10_000)
    assert stage.incident()["resolved_ms"] is None
    stage.pass_ms(30_000)
    assert stage.incident()["resolved_ms"] == stage.now_ms


def test_whoever_was_told_of_the_beginning_is_told_of_the_end(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.deliver()
    stage.now_ms += 5_000
    heal(stage, signal)
    assert stage.deliver() == EVERYBODY
    first, last = stage.letters(BEN)
    assert first.id.startswith("<inc-")
    assert ".root." in first.id
    assert ("In-Reply-To", first.id) in last.headers
    assert ("References", first.id) in last.headers
    assert first.subject == last.subject
    assert "works again since" in last.text
    incident = stage.incident()
    assert (incident["state"], incident["healed_silently"]) == ("resolved", False)
    assert (incident["healed_ms"], incident["verified_ms"]) == (NOW_MS + 1_000, NOW_MS + 3_000)


def test_what_is_healed_within_the_hold_is_recorded_and_told_to_nobody(stage: Stage) -> None:
    signal = slow()
    stage.hear(signal)
    assert stage.deliver() == []
    stage.now_ms += HOLD_MS - 1_000
    heal(stage, signal)
    stage.pass_ms(HOLD_MS)
    assert stage.sent == []
    incident = stage.incident()
    assert incident["healed_silently"]
    assert {one["why"] for one in incident["not_told"] if one["state"] != "not affected"} == {
        "it was over before this was sent"
    }


def test_what_goes_away_by_itself_within_the_hold_is_no_silent_heal(stage: Stage) -> None:
    signal = town.signal("CheckoutSlow", region="eu")
    stage.hear(signal)
    stage.now_ms += 1_000
    stage.hear(town.ended(signal, stage.now_ms))
    stage.pass_ms(HOLD_MS)
    assert stage.sent == []
    assert (stage.incident()["state"], stage.incident()["healed_silently"]) == ("resolved", False)


def test_what_outlasts_the_hold_is_told(stage: Stage) -> None:
    stage.hear(slow())
    stage.pass_ms(HOLD_MS - 1)
    assert stage.sent == []
    stage.pass_ms(1)
    assert [message.to for message in stage.sent] == [ADA, BEN]
    assert stage.incident()["told_ms"] == NOW_MS + HOLD_MS


def test_the_end_waits_for_the_verdict_on_the_repair(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.deliver()
    stage.now_ms += 5_000
    stage.hear(town.ended(signal, stage.now_ms, VERIFYING))
    assert stage.deliver() == []
    assert stage.incident()["state"] == "monitoring"
    stage.hear(town.ended(signal, stage.now_ms, FIXED))
    assert stage.deliver() == EVERYBODY


def test_when_it_gets_worse_the_hold_ends_and_the_others_are_told_too(stage: Stage) -> None:
    stage.hear(slow())
    stage.now_ms += 10_000
    stage.hear(town.signal(at_ms=stage.now_ms, remedy=ACTING))
    assert sorted(stage.deliver()) == EVERYBODY
    incident = stage.incident()
    assert incident["impact"] == "major"
    assert {one["grade"] for one in incident["told"]} == {"impacted"}


def test_a_notice_half_sent_when_it_ends_stops_there_and_only_those_told_hear_of_the_end(
    stage: Stage,
) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    task = stage.begin()
    assert isinstance(task, Task)
    heal(stage, signal)
    stage.finish(task)
    assert stage.deliver() == [ADA]
    assert "wieder" in stage.letters(ADA)[0].text
    assert stage.told() == {ADA}


def test_the_end_never_overtakes_a_beginning_that_is_under_way(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    task = stage.begin()
    assert isinstance(task, Task)
    heal(stage, signal)
    stage.worker = "other"
    assert isinstance(stage.begin(), Idle)
    stage.worker = "w"
    stage.finish(task, "failed")
    stage.pass_ms(2_000)
    assert stage.sent == []


def test_a_beginning_that_failed_for_good_has_no_end(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.failures = [Undelivered("550 5.1.1 no such user", permanent=True)]
    assert stage.deliver() == [BEN, CLEO]
    heal(stage, signal)
    assert stage.deliver() == [BEN, CLEO]


def test_a_refusal_for_now_is_tried_again_with_the_same_message(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.failures = [Undelivered("451 4.7.1 greylisted")]
    assert stage.deliver() == [BEN, CLEO]
    stage.pass_ms(2_000)
    [message] = stage.letters(ADA)
    assert ".root.p" in message.id
    [ada] = [one for one in stage.incident()["told"] if one["email"] == ADA]
    assert (ada["tries"], ada["message_id"]) == (2, message.id)


def test_tries_end_when_the_notice_is_too_old(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.failures = [Undelivered("451 busy") for _ in range(100)]
    for _ in range(40):
        stage.pass_ms(MINUTE_MS)
        stage.hear(town.signal(at_ms=stage.now_ms, remedy=ACTING))
    stage.failures = []
    stage.pass_ms(MINUTE_MS)
    assert [message for message in stage.sent if ".root." in message.id] == []
    assert {one["state"] for one in stage.incident()["not_told"] if one["email"] != DAN} == {"expired"}


def test_a_try_in_flight_at_a_kill_is_in_doubt_and_repeated_with_the_same_id(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    task = stage.begin()
    assert isinstance(task, Task)
    stage.recover()
    assert sorted(stage.deliver()) == EVERYBODY
    [again] = stage.letters(ADA)
    assert again == stage.message(task)


def test_a_doubtful_try_is_repeated_at_most_twice(stage: Stage) -> None:
    stage.hear(town.signal(lasts_ms=3_600_000, remedy=ACTING))
    stage.failures = [Undelivered("lost", unknown=True) for _ in range(30)]
    for _ in range(10):
        stage.pass_ms(MINUTE_MS)
    assert len(stage.failures) == 30 - 9


def test_a_scope_that_does_not_resolve_tells_nobody_and_calls_the_team(stage: Stage) -> None:
    stage.hear(town.signal("CheckoutSlow", remedy=ACTING))
    assert stage.deliver() == [ON_CALL]
    stage.pass_ms(HOLD_MS)
    assert [message.to for message in stage.sent] == [ON_CALL]
    assert "no label 'region'" in stage.incident()["scope_refused"]
    assert "no label 'region'" in stage.sent[0].text


def test_a_failed_repair_calls_the_team_once_and_the_incident_stays_open(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.deliver()
    failed = town.signal(remedy=FAILED)
    for _ in range(3):
        stage.hear(failed)
        stage.pass_ms(1_000)
    [letter] = stage.letters(ON_CALL)
    assert letter.subject == "[Example Shop] checkout needs you: major"
    assert "nginx -t says no." in letter.text
    assert not [name for name, _ in letter.headers if name.startswith("List-")]
    incident = stage.incident()
    assert [one["team"] for one in incident["called"]] == ["payments"]
    assert incident["escalated"]
    assert incident["resolved_ms"] is None


def test_an_alert_without_a_playbook_calls_the_team_after_patience(stage: Stage) -> None:
    stage.hear(town.signal(remedy=Remedy(Healing.NONE)))
    assert stage.deliver() == EVERYBODY
    stage.pass_ms(HOLD_MS)
    assert len(stage.letters(ON_CALL)) == 1


def test_the_promise_of_the_next_update_is_kept(stage: Stage) -> None:
    stage.hear(town.signal(lasts_ms=7_200_000, remedy=ACTING))
    stage.deliver()
    promised_ms = stage.incident()["next_update_ms"]
    assert promised_ms == NOW_MS + 30 * MINUTE_MS
    stage.pass_ms(30 * MINUTE_MS)
    assert len(stage.letters(BEN)) == 2
    assert "It is not over yet." in stage.letters(BEN)[1].text
    assert stage.incident()["next_update_ms"] == promised_ms + 30 * MINUTE_MS


def test_quiet_hours_hold_all_but_the_gravest(tmp_path: Path) -> None:
    with theatre.stage(tmp_path, QUIET) as stage:
        stage.hear(town.signal("CheckoutSlow", region="eu", lasts_ms=36_000_000, remedy=ACTING))
        stage.pass_ms(HOLD_MS)
        assert [message.to for message in stage.sent] == [ADA]
        stage.pass_ms(3 * 3_600_000)
        assert not stage.letters(BEN)
        stage.pass_ms(28 * MINUTE_MS)
        assert stage.letters(BEN)
    (tmp_path / "two").mkdir()
    with theatre.stage(tmp_path / "two", QUIET) as stage:
        stage.hear(town.signal(remedy=ACTING))
        assert BEN in stage.deliver()


def test_whoever_left_a_service_is_not_written_to_from_that_moment_on(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.leave(BEN)
    stage.leave(CLEO, "search")
    assert stage.deliver() == [ADA, CLEO]
    heal(stage, signal)
    stage.leave(CLEO)
    assert stage.deliver() == [ADA]


def test_whoever_left_the_catalogue_is_not_written_to(stage: Stage) -> None:
    def gone(conn: Connection) -> None:
        conn.execute(sa.update(schema.person).where(schema.person.c.email == BEN).values(gone=True))

    stage.hear(town.signal(remedy=ACTING))
    stage.store.written(gone)
    assert stage.deliver() == [ADA, CLEO]


def test_an_episode_that_was_over_before_is_recorded_once_and_told_to_nobody(stage: Stage) -> None:
    over = town.ended(town.signal(at_ms=NOW_MS - 60_000), NOW_MS - 1_000, FIXED)
    stage.hear(over)
    stage.hear(over)
    stage.pass_ms(HOLD_MS)
    incident = stage.incident()
    assert (incident["state"], incident["healed_silently"]) == ("resolved", True)
    assert stage.sent == []


def test_an_alert_that_fires_again_much_later_is_a_new_episode(stage: Stage) -> None:
    signal = town.signal(remedy=ACTING)
    stage.hear(signal)
    stage.now_ms += 5_000
    heal(stage, signal)
    stage.now_ms += 30 * MINUTE_MS
    stage.hear(town.signal(at_ms=stage.now_ms, remedy=ACTING))
    assert len(stage.incidents()) == 2
    assert len({one["id"] for one in stage.incidents()}) == 2


def test_silence_of_a_dead_agent_keeps_the_incident_open_and_calls_the_team(stage: Stage) -> None:
    stage.hear(town.signal("Watchdog", service="", severity="none"), town.signal(remedy=ACTING))
    stage.deliver()
    stage.pass_ms(240_000)
    incident = stage.incident()
    assert incident["resolved_ms"] is None
    assert incident["sight_lost"]
    assert "not heard" in stage.letters(ON_CALL)[0].text
    back = town.signal(at_ms=stage.now_ms + 1_000, remedy=ACTING)
    stage.now_ms += 1_000
    stage.hear(replace(back, starts_ms=NOW_MS))
    assert not stage.incident()["sight_lost"]
    assert len(stage.incidents()) == 1


def test_no_letter_names_another_customer_or_a_host(stage: Stage) -> None:
    signal = town.signal(annotations={"notice": "birch cannot pay on web1."}, remedy=ACTING)
    stage.hear(signal)
    stage.deliver()
    for message in stage.sent:
        assert "birch" not in message.text + message.html + message.subject
        assert "web1" not in message.text + message.html + message.subject
    assert stage.incident()["notices"][0]["generic_words"]


def test_each_letter_has_its_own_way_out_and_one_recipient(stage: Stage) -> None:
    stage.hear(town.signal(remedy=ACTING))
    stage.deliver()
    links = set()
    for message in stage.sent:
        headers = dict(message.headers)
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert headers["Auto-Submitted"] == "auto-generated"
        assert headers["List-Id"] == "checkout <checkout.127.0.0.1>"
        link = headers["List-Unsubscribe"].split(">")[0][1:]
        assert link in message.text
        assert link in message.html
        links.add(link)
    assert len(links) == 3
