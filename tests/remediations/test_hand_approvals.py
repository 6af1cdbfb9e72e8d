"""What needs people's approval, and a hand that is asked for it with grants of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.grant import Grant, sealed
from model.step import Exec, Result
from remediations.apart.allowed import Past, Start, compiled, judged
from remediations.apart.book import KEPT_MS, HandBook, broken_line
from remediations.apart.packing import Garbled, pack, unpack
from remediations.apart.words import (
    GRANT_BYTES_MAX,
    GRANTS_MAX,
    PACKET_BYTES_MAX,
    SPARE_BYTES,
    VERSION,
    Request,
    fits,
)
from remediations.asking.consent import Identity
from remediations.writing.playbook import Name
from tests.remediations.errands import BOOK, IDENTITY, RUN, Service, grant, serving
from tests.remediations.stage import BARE, playbook, wall_ms

TRUE = Exec(("true",))
OTHER_RUN = "0123456789abcdef-2"
APPROVE = playbook("- command: {argv: ['true']}\n  retries: 5", mode="approve")
TWO = playbook("- command: {argv: ['true']}\n  retries: 5", mode="approve", guard="{approval: {by: 2}}")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, APPROVE) as made:
        yield made


def refused(service: Service, result: Result, because: str) -> None:
    """It was not done, it was said why, and both stand in the book."""
    assert not result.ok
    assert result.reason.startswith("the hand refused: ")
    assert because in result.reason
    assert because in service.refused()
    assert service.acts() == ""


@pytest.mark.parametrize("mode", ["approve", "propose"])
def test_without_a_grant_nothing_is_changed(tmp_path: Path, mode: str) -> None:
    with serving(tmp_path, playbook(mode=mode)) as service:
        refused(service, service.take(TRUE), "one person must agree, and nobody did")
        assert service.take(TRUE, check=True).ok


def test_with_a_genuine_grant_it_is_done_and_written_down_who_agreed(service: Service) -> None:
    assert service.take(TRUE, RUN, BOOK, grant(APPROVE)).ok
    (line, *_) = map(json.loads, service.acts().splitlines())
    assert (line["ask"], line["by"]) == ("ask-1", ["ada"])
    assert line["grants"] == ["ada agrees to ask-1"]


@pytest.mark.parametrize(
    ("other", "because"),
    [
        ({"host": "web2"}, "for another host"),
        ({"playbook": "heal-shop2"}, "for another playbook"),
        ({"plan": "0" * 64}, "for another plan"),
        ({"until_ms": 0}, "past its time"),
        ({"until_ms": 1 << 62}, "holds longer than 1d"),
        ({"yes": False}, "'ada' said no"),
    ],
)
def test_a_grant_for_something_else_and_a_no_are_refused(
    service: Service, other: dict[str, Any], because: str
) -> None:
    refused(service, service.take(TRUE, RUN, BOOK, grant(APPROVE, **other)), because)
    assert '"grants":["ada ' in service.refused()


def test_a_forged_and_an_altered_grant_are_refused(service: Service) -> None:
    forged = sealed(grant(APPROVE), bytes(32))
    altered = [replace(grant(APPROVE), by="eve"), replace(grant(APPROVE, yes=False), yes=True)]
    for one in (forged, *altered, replace(forged, seal=""), replace(forged, seal="é" * 64)):
        refused(service, service.take(TRUE, RUN, BOOK, one), "has not the seal of the approval key")


def test_forged_grants_do_not_spoil_a_genuine_one(service: Service) -> None:
    forged = [replace(grant(APPROVE, f"eve{n}"), seal="0" * 64, yes=n % 2 == 0) for n in range(4)]
    assert service.take(TRUE, RUN, BOOK, *forged, grant(APPROVE)).ok


def test_a_no_ends_it_whoever_agrees(service: Service) -> None:
    said = (grant(APPROVE), grant(APPROVE, "bob", yes=False))
    refused(service, service.take(TRUE, RUN, BOOK, *said), "'bob' said no")


def test_a_hand_without_a_key_believes_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, APPROVE, identity=Identity(IDENTITY.host)) as service:
        made_without = sealed(grant(APPROVE), b"")
        for one in (grant(APPROVE), made_without):
            refused(service, service.take(TRUE, RUN, BOOK, one), "without an approval key")


def test_where_two_must_agree_one_person_is_not_enough_however_often(tmp_path: Path) -> None:
    with serving(tmp_path, TWO) as service:
        alone = (grant(TWO, "ada"), grant(TWO, "Ada"), grant(TWO, "ada@example.com"))
        refused(service, service.take(TRUE, RUN, BOOK, *alone), "2 different people must agree, and ada did")
        apart = (grant(TWO, "ada"), grant(TWO, "bob", "ask-2"))
        refused(service, service.take(TRUE, RUN, BOOK, *apart), "2 different people must agree")
        assert service.take(TRUE, RUN, BOOK, grant(TWO, "ada"), grant(TWO, "bob")).ok
    assert '"by":["ada","bob"]' in service.acts()


def test_an_approval_serves_one_run_also_after_the_hand_was_restarted(tmp_path: Path) -> None:
    said = grant(APPROVE)
    because = f"the grant of 'ada' has served the run {RUN} already"
    with serving(tmp_path, APPROVE) as service:
        assert service.take(TRUE, RUN, BOOK, said).ok
        assert because in service.take(TRUE, OTHER_RUN, BOOK, said).reason
        another = grant(APPROVE, "bob")
        assert (
            f"'bob' has served the run {RUN} already" in service.take(TRUE, OTHER_RUN, BOOK, another).reason
        )
    with serving(tmp_path, APPROVE) as service:
        assert because in service.take(TRUE, OTHER_RUN, BOOK, said).reason
        assert because in service.refused()
        assert service.take(TRUE, OTHER_RUN, BOOK, grant(APPROVE, ask="ask-2")).ok
    assert service.acts().count('"intent"') == 2


def test_an_approval_serves_every_step_of_its_run_the_retries_and_the_undo_over_a_restart(
    tmp_path: Path,
) -> None:
    file = tmp_path / "motd"
    file.write_text("old\n")
    book = playbook(
        f"- command: {{argv: ['true']}}\n  retries: 1\n- line: {{path: {file}, line: new}}", mode="approve"
    )
    said = grant(book)
    allowance = compiled([book], BARE).each[BOOK]
    change, undo = sorted(allowance.acts - {TRUE}, key=lambda step: type(step).__name__)
    with serving(tmp_path, book) as service:
        assert [service.take(TRUE, RUN, BOOK, said).ok for _ in range(2)] == [True, True]
        assert service.take(change, RUN, BOOK, said).ok
    with serving(tmp_path, book) as service:
        assert service.take(undo, RUN, BOOK, said).ok
        assert "all 4 steps" in service.take(TRUE, RUN, BOOK, said).reason
        assert "nobody did" in service.take(undo, RUN).reason
    assert file.read_text() == "old\n"


def test_a_run_that_began_in_time_ends_after_it(tmp_path: Path) -> None:
    said = grant(APPROVE)
    with closing(HandBook(tmp_path)) as book:
        target = compiled([APPROVE], BARE).each[BOOK].target
        line = {"id": "a", "at_ms": said.at_ms, "run": RUN, "playbook": BOOK, "step": "run true"}
        book.intend(line, Start(RUN, BOOK, target, said.at_ms, ask=said.ask, by=("ada",)))
        book.note({"id": "a", "ok": True})
    late = grant(APPROVE, until_ms=said.at_ms - 600_000)
    with serving(tmp_path, APPROVE) as service:
        assert service.take(TRUE, RUN, BOOK, late).ok
        assert "has served the run" in service.take(TRUE, OTHER_RUN, BOOK, late).reason


def test_a_plan_that_was_changed_since_is_not_what_was_approved(service: Service) -> None:
    other = playbook("- command: {argv: ['true']}\n- command: {argv: ['false']}", mode="approve")
    refused(service, service.take(TRUE, RUN, BOOK, grant(other)), "for another plan")


@pytest.mark.parametrize(
    ("mode", "guard", "needs"),
    [
        ("auto", "{}", True),
        ("auto", "{approval: {by: 0, because: files in the spool can be made again}}", False),
    ],
)
def test_what_cannot_be_undone_needs_approval_even_where_a_playbook_acts_by_itself(
    tmp_path: Path, mode: str, guard: str, needs: bool
) -> None:
    (tmp_path / "spool").mkdir()
    steps = f"- remove_old: {{roots: [{tmp_path}/spool], patterns: ['*'], age: 1d, hold: 0s}}"
    book = playbook(steps, mode=mode, guard=guard)
    (step,) = compiled([book], BARE).each[BOOK].acts
    with serving(tmp_path, book) as service:
        alone = service.take(step)
        assert ("one person must agree" in alone.reason) is needs
        assert needs or alone.ok
        assert not needs or service.take(step, RUN, BOOK, grant(book)).ok


def test_what_can_be_undone_needs_nobody_but_a_no_counts(tmp_path: Path) -> None:
    book = playbook()
    with serving(tmp_path, book) as service:
        assert "'ada' said no" in service.take(TRUE, RUN, BOOK, grant(book, yes=False)).reason
        assert service.take(TRUE).ok


def test_a_playbook_that_observes_changes_nothing_whoever_agrees(tmp_path: Path) -> None:
    book = playbook(mode="observe")
    with serving(tmp_path, book) as service:
        refused(service, service.take(TRUE, RUN, BOOK, grant(book)), "has no such step")


def test_beyond_the_budget_that_latches_each_run_needs_somebody_until_one_agreed(tmp_path: Path) -> None:
    book = playbook(guard="{at_most: [90 per 1h, 2 per 24h]}")
    with serving(tmp_path, book) as service:
        assert [service.take(TRUE, f"run-{n}").ok for n in range(3)] == [True, True, False]
        assert "2 runs in 1d, beyond which one person must agree" in service.take(TRUE, "run-4").reason
        assert service.take(TRUE, "run-5", BOOK, grant(book)).ok
    with serving(tmp_path, book) as service:
        assert [service.take(TRUE, f"run-{n}").ok for n in range(6, 8)] == [True, False]
        assert "has served the run run-5" in service.take(TRUE, "run-8", BOOK, grant(book)).reason


def test_a_book_that_is_put_aside_again_and_again_forgets_no_run_and_no_approval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may ask for looks could else push out of sight what was approved and how often it ran."""
    monkeypatch.setattr("remediations.apart.book.LINES_BYTES_MAX", 2000)
    with closing(HandBook(tmp_path)) as book:
        for number in range(3):
            line = {"id": f"act{number}", "at_ms": 5, "run": "r-1", "playbook": BOOK, "step": "x"}
            book.intend(line, Start("r-1", BOOK, ("file:x",), 5, ask="ask-1", by=("ada",)))
            book.note({"id": f"act{number}", "ok": True})
        for number in range(200):
            look = {"id": str(number), "at_ms": 6, "run": "", "playbook": BOOK, "step": "look"}
            book.intend(look, None)
            book.note({"id": str(number), "ok": True})
        known = book.past(10)
    with closing(HandBook(tmp_path)) as book:
        assert book.past(10) == known
        assert known.starts == {"r-1": Start("r-1", BOOK, ("file:x",), 5, 3, "ask-1", ("ada",))}
        assert known.served == {"ask-1": "r-1"}
    assert [broken_line(tmp_path / name) for name in ("acts.jsonl", "acts.jsonl.1")] == [0, 0]


def test_an_approval_is_not_free_again_when_its_run_is_forgotten_or_the_clock_is_set(tmp_path: Path) -> None:
    with closing(HandBook(tmp_path)) as book:
        line = {"id": "a", "at_ms": 5, "run": RUN, "playbook": BOOK, "step": "x"}
        book.intend(line, Start(RUN, BOOK, (), 5, ask="ask-1"))
        assert not book.past(5 + 2 * 86_400_000).starts
        assert book.past(6).served == {"ask-1": RUN}


def test_the_agent_sends_no_grant_that_nobody_can_have_made_and_not_too_many(service: Service) -> None:
    said = grant(APPROVE)
    strange = [replace(said, by=name) for name in ("x" * GRANT_BYTES_MAX, "a\nb", "\ud800")]
    assert service.client.of(BOOK, (*strange, said)).grants == (said,)
    assert len(service.client.of(BOOK, (said,) * 20).grants) == GRANTS_MAX


def test_a_request_with_too_many_grants_or_one_that_nobody_can_have_made_is_no_request() -> None:
    said = grant(APPROVE)
    whole = json.loads(pack(Request(VERSION, "once", 1, BOOK, RUN, TRUE, check=False, grants=(said,))))
    (one,) = whole["grants"]
    assert unpack(json.dumps(whole).encode(), [Request]).grants == (said,)
    for grants, because in (
        ([one] * (GRANTS_MAX + 1), "carries more than 8 grants"),
        ([{**one, "by": "x" * GRANT_BYTES_MAX}], "that nobody can have made"),
        ([{**one, "seal": "\ud800"}], "that nobody can have made"),
    ):
        with pytest.raises(Garbled, match=because):
            unpack(json.dumps({**whole, "grants": grants}).encode(), [Request])


def test_the_largest_step_still_fits_into_a_message_with_all_its_grants() -> None:
    step = Exec(("x" * (PACKET_BYTES_MAX - SPARE_BYTES - len(pack(Exec(("",))))),))
    large = max((grant(APPROVE, "x" * size) for size in range(GRANT_BYTES_MAX)), key=fitting)
    run, grants = "r" * 80, (large,) * GRANTS_MAX
    whole = Request(VERSION, "0" * 32, 1 << 62, "p" * 63, run, step, check=False, grants=grants)
    assert len(pack(large)) == GRANT_BYTES_MAX
    assert PACKET_BYTES_MAX - 1024 < len(pack(whole)) <= PACKET_BYTES_MAX


def fitting(one: Grant) -> int:
    return len(pack(one)) if fits(one) else 0


def test_a_run_of_one_playbook_is_none_of_another_whoever_agreed() -> None:
    other = replace(APPROVE, playbook=Name("heal-cafe"))
    allowed = compiled([APPROVE, other], BARE, IDENTITY)
    past = Past({RUN: Start(RUN, "heal-cafe", APPROVE.target, 1, ask="ask-1")}, {"ask-1": RUN})
    asked = Request(VERSION, "once", 1, BOOK, RUN, TRUE, check=False, grants=(grant(APPROVE),))
    assert judged(asked, allowed, past, wall_ms()).because == f"the run {RUN} belongs to heal-cafe"


def test_a_run_keeps_the_approval_that_it_began_with(tmp_path: Path) -> None:
    with closing(HandBook(tmp_path)) as book:
        for number, ask in enumerate(("ask-1", "", "ask-2")):
            line = {"id": f"act{number}", "at_ms": 5, "run": RUN, "playbook": BOOK, "step": "x"}
            book.intend(line, Start(RUN, BOOK, (), 5, ask=ask, by=("ada",) if ask else ()))
        assert book.past(6).starts[RUN] == Start(RUN, BOOK, (), 5, 3, "ask-1", ("ada",))


def test_an_approval_outlives_its_run_in_a_book_that_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(HandBook(tmp_path)) as book:
        line = {"id": "a", "at_ms": 5, "run": RUN, "playbook": BOOK, "step": "x"}
        book.intend(line, Start(RUN, BOOK, (), 5, ask="ask-1"))
        book.past(2 * KEPT_MS)
        monkeypatch.setattr("remediations.apart.book.LINES_BYTES_MAX", 1)
        for number in range(3):
            book.intend({"id": str(number), "at_ms": 6, "run": "", "playbook": BOOK, "step": "look"}, None)
    with closing(HandBook(tmp_path)) as book:
        assert book.past(6).starts == {}
        assert book.past(6).served == {"ask-1": RUN}
