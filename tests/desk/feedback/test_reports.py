"""What people tell us: which incident it belongs to, what they hear at once, and what the ledger says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.feedback import reports
from desk.feedback.reports import LOOK_BACK_MS, Candidate, Report, match
from desk.incident.incident import weight
from desk.ledger.share import Share
from desk.ledger.story import Told
from desk.state import Impact
from tests.desk.ledger.scene import asking, counted, events
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, DAN, NOW_MS, ended, signal

SOMEBODY = Report(1, frozenset({"checkout", "search"}), "en", "", "symptom", "portal", "", NOW_MS)
OPEN = Candidate(1, "checkout", Impact.MAJOR, NOW_MS, 0)


def test_a_report_is_answered_at_once_with_how_it_stands(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    stage.now_ms += 5_000
    with asking(stage) as desk:
        found = desk.report(kind="symptom", who="Ada@acme.example", text="Bezahlen geht nicht", intake="mail")
    ref = stage.incident()["id"]
    assert (found["incident"], found["known"], found["service"]) == (ref, True, "Kasse")
    assert found["told_ms"] == NOW_MS
    assert found["next_update_ms"] == NOW_MS + 30 * 60_000
    assert found["text"]
    assert found["url"].endswith(f"/incidents/{ref}")
    assert stage.incident()["reports"] == {"symptom": 1}


def test_told_first_or_not_is_by_person_and_by_incident(stage: Stage) -> None:
    down = signal()
    stage.hear(down)
    with asking(stage) as desk:
        desk.report(kind="symptom", who=BEN)
        stage.now_ms += 1_000
        stage.deliver()
        stage.now_ms += 1_000
        desk.report(kind="me_too", who=CLEO)
        desk.report(kind="question", who=ADA)
    stage.now_ms += 1_000
    stage.hear(ended(down, stage.now_ms))
    found = counted(stage)
    assert found.told[Told.AFTER] == 1
    assert found.proactive_people == Share(2, 3)
    assert found.lead.p50_ms == -1_000
    assert found.truth.recall == Share(2, 2)
    assert found.truth.timely_recall == Share(1, 2)
    assert found.unreported == Share(1, 3)
    assert len(events(stage, "asked")) == 1


def test_what_was_reported_within_the_hour_before_belongs_to_the_incident(stage: Stage) -> None:
    with asking(stage) as desk:
        first = desk.report(kind="symptom", who=BEN)
        desk.report(kind="symptom", who=DAN)  # uses something else
        desk.report(kind="symptom", service="checkout")  # nobody knows who
        desk.report(kind="symptom")  # nobody knows who, nor what about
    assert (first["incident"], first["state"]) == ("", "")
    assert "Thank you" in first["text"]
    stage.now_ms += 60_000
    down = signal(at_ms=stage.now_ms)
    stage.hear(down)
    stage.deliver()
    assert events(stage, "reported") == [(stage.house.people[BEN], 0), (0, 0)]
    assert stage.incident()["reports"] == {"symptom": 2}
    stage.hear(ended(down, stage.now_ms))
    assert counted(stage).told[Told.AFTER] == 1


def test_what_was_reported_longer_before_does_not(stage: Stage) -> None:
    with asking(stage) as desk:
        desk.report(kind="symptom", who=BEN)
    stage.now_ms += LOOK_BACK_MS + 1
    stage.hear(signal(at_ms=stage.now_ms))
    assert events(stage, "reported") == []


def test_somebody_whom_the_evidence_missed_counts_as_missed(stage: Stage) -> None:
    slow = signal("CheckoutSlow", region="us")  # which is Cleo's alone
    stage.hear(slow)
    stage.pass_ms(60_000)
    with asking(stage) as desk:
        desk.report(kind="symptom", who=BEN)
    stage.hear(ended(slow, stage.now_ms))
    found = counted(stage)
    assert found.truth.recall == Share(0, 1)
    assert found.proactive_people == Share(1, 2)


def test_who_denies_by_report_has_answered(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    with asking(stage) as desk:
        desk.report(kind="not_affected", who=BEN)
    assert stage.incident()["answers"]["not_affected"] == 1
    assert events(stage, "reported") == []


def test_an_address_that_is_nobodys_is_not_kept(stage: Stage) -> None:
    stage.hear(signal())
    with asking(stage) as desk:
        found = desk.report(kind="symptom", who="eve@evil.example", service="checkout", text="x\u202e\x00y")
        listed = desk.ask("/api/v1/reports").json()["reports"]
    assert (found["known"], found["told_ms"]) == (False, 0)
    assert (listed[0]["email"], listed[0]["text"]) == (None, "x\N{REPLACEMENT CHARACTER}y")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"kind": "complaint"},
        {"kind": "symptom", "text": "x" * 2_001},
        {"kind": "symptom", "service": "nothing"},
        {"kind": "symptom", "received_ms": NOW_MS + 10**8},
        {"kind": "symptom", "received_ms": 1},
        {"kind": "symptom", "admin": True},
        {"kind": "symptom", "intake": "../etc"},
    ],
)
def test_what_is_no_report_is_refused_and_nothing_is_kept(stage: Stage, said: object) -> None:
    with asking(stage) as desk:
        assert desk.ask("/api/v1/reports", "POST", said).status == 400
        assert desk.ask("/api/v1/reports", "POST", b"{").status == 400
        assert desk.ask("/api/v1/reports", "POST", {"kind": "symptom"}, "text/plain").status == 415
        assert desk.ask("/api/v1/reports", "POST", b'"' + b"x" * 40_000 + b'"').status == 413
        assert desk.ask("/api/v1/reports?limit=0").status == 400
        assert desk.ask("/api/v1/reports").json() == {"reports": []}


def test_there_is_an_end_to_how_much_is_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "REPORTS_PER_HOUR_MAX", 2)
    with asking(stage) as desk:
        desk.report(kind="symptom")
        desk.report(kind="symptom")
        assert desk.ask("/api/v1/reports", "POST", {"kind": "symptom"}).status == 429
        stage.now_ms += reports.HOUR_MS + 1
        desk.report(kind="symptom")


def test_the_words_of_people_are_forgotten_and_that_there_was_a_report_is_not(stage: Stage) -> None:
    stage.hear(signal())
    with asking(stage) as desk:
        desk.report(kind="symptom", who=BEN, text="secret")
        gone = stage.store.written(lambda conn: reports.forget(conn, NOW_MS + reports.KEPT_MS + 1))
        assert gone == 1
        assert desk.ask("/api/v1/reports").json() == {"reports": []}
    assert len(events(stage, "reported")) == 1


def test_a_named_service_is_meant_and_no_other() -> None:
    other = Candidate(2, "search", Impact.MINOR, NOW_MS, 0)
    assert match(SOMEBODY, [OPEN, other]) == OPEN
    assert match(replace(SOMEBODY, service="search"), [OPEN, other]) == other
    assert match(replace(SOMEBODY, service="search"), [OPEN]) is None


def test_somebody_known_must_use_the_service_and_somebody_unknown_must_name_it() -> None:
    assert match(replace(SOMEBODY, uses=frozenset()), [OPEN]) is None
    assert match(replace(SOMEBODY, person=0), [OPEN]) is None
    assert match(replace(SOMEBODY, person=0, service="checkout"), [OPEN]) == OPEN


def test_what_was_over_before_the_report_is_not_meant() -> None:
    assert match(SOMEBODY, [replace(OPEN, over_ms=NOW_MS - 1)]) is None
    assert match(SOMEBODY, [replace(OPEN, over_ms=NOW_MS)]) is not None
    assert match(SOMEBODY, [replace(OPEN, onset_ms=NOW_MS + LOOK_BACK_MS + 1)]) is None


@given(
    st.lists(
        st.builds(
            Candidate,
            st.integers(1, 9),
            st.sampled_from(["checkout", "search", "mail"]),
            st.sampled_from(Impact),
            st.integers(NOW_MS - 9, NOW_MS + 9),
            st.sampled_from([0, NOW_MS - 5, NOW_MS + 5]),
        ),
        max_size=6,
    )
)
def test_the_heaviest_that_somebody_can_meet_is_meant(candidates: list[Candidate]) -> None:
    found = match(SOMEBODY, candidates)
    able = [one for one in candidates if one.service in SOMEBODY.uses and one.over_ms != NOW_MS - 5]
    assert (found is None) == (not able)
    if found is not None:
        assert found in able
        assert weight(found.impact) == max(weight(one.impact) for one in able)
