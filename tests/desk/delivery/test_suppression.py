from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from desk.delivery import suppression
from desk.delivery.bounce import SOFT_MAX, Bounce
from tests.desk import town
from tests.desk.delivery.test_bounce import POSTFIX
from tests.desk.serving import Serving, alert, until
from tests.desk.stage import Stage
from tests.desk.town import ACTING, ADA, BEN, CLEO

GONE = Bounce(ADA, "5.1.1", "no such user")


def report(stage: Stage, found: Bounce) -> bool:
    return stage.store.written(partial(suppression.report, found=found, now_ms=stage.now_ms))


def lift(stage: Stage) -> bool:
    return stage.store.written(partial(suppression.lift, email=ADA, by="ops", now_ms=stage.now_ms))


def test_who_is_gone_is_not_written_to_and_the_incident_says_why(stage: Stage) -> None:
    assert report(stage, GONE)
    stage.hear(town.signal(remedy=ACTING))
    assert stage.deliver() == [BEN, CLEO]
    left_out = {one["email"]: one["why"] for one in stage.incident()["not_told"]}
    assert left_out[ADA] == "mail to this address came back: the address does not exist (5.1.1)"


def test_passing_trouble_counts_until_it_is_too_much(stage: Stage) -> None:
    for number in range(SOFT_MAX):
        with stage.store.reading() as conn:
            assert suppression.suppressed(conn, [stage.house.people[ADA]]) == {}, number
        report(stage, Bounce(ADA, "4.2.2", "full"))
    with stage.store.reading() as conn:
        assert stage.house.people[ADA] in suppression.suppressed(conn, [stage.house.people[ADA]])


def test_staff_may_lift_it(stage: Stage) -> None:
    report(stage, GONE)
    assert lift(stage)
    stage.hear(town.signal(remedy=ACTING))
    assert ADA in stage.deliver()
    assert not lift(stage)
    with stage.store.reading() as conn:
        [lifted] = suppression.liftings(conn)
    assert (lifted["email"], lifted["channel"], lifted["by"]) == (ADA, "email", "ops")
    assert lifted["because"] == "the address does not exist (5.1.1)"


def test_a_report_about_a_stranger_changes_nothing(stage: Stage) -> None:
    assert not report(stage, Bounce("eve@elsewhere.example", "5.1.1"))


def test_old_reports_are_forgotten_and_who_is_left_out_stays_so(stage: Stage) -> None:
    report(stage, GONE)
    stage.now_ms += suppression.KEPT_MS + 1
    stage.store.written(partial(suppression.forget, now_ms=stage.now_ms))
    with stage.store.reading() as conn:
        assert suppression.suppressed(conn, [stage.house.people[ADA]])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Serving]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield running


def test_a_mail_server_hands_its_reports_in(desk: Serving) -> None:
    assert desk.ask("/api/v1/bounces", method="POST", body=POSTFIX).json() == {"known": 1}
    [found] = desk.ask("/api/v1/suppressed").json()
    assert (found["email"], found["customer"], found["channel"]) == (ADA, "acme", "email")
    assert desk.post([alert()]).status == 200
    until(lambda: len(desk.incidents()[0]["told"]) == 2, "the others are told")
    assert desk.ask(f"/api/v1/suppressed/{ADA}", method="DELETE").status == 200
    assert desk.ask(f"/api/v1/suppressed/{ADA}", method="DELETE").status == 404
    [lifted] = desk.ask("/api/v1/suppressed?lifted=true").json()
    assert (lifted["email"], lifted["by"]) == (ADA, "")
    assert desk.ask("/api/v1/suppressed?lifted=yes").status == 400


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff" * 300_000])
def test_what_is_no_report_is_refused(desk: Serving, body: bytes) -> None:
    assert desk.ask("/api/v1/bounces", method="POST", body=body).status in (400, 413)


def test_nobody_outside_hands_in_reports_or_reads_who_is_left_out(desk: Serving) -> None:
    assert desk.ask("/api/v1/suppressed", public=True).status == 404
    assert desk.ask("/api/v1/bounces", method="POST", body=POSTFIX, public=True).status in (404, 405)
