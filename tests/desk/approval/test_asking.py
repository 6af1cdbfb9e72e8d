"""Questions and evidence in the store, on each database that a desk may have."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from desk.approval import approval, approvals, ask_post
from desk.house import House
from desk.incident import findings
from desk.incident.findings import Found, Item
from desk.incident.incident import Signal
from desk.notice.parcel import Parcel, record, recover
from desk.store.retention import forget
from model.grant import genuine, host_key
from tests.desk import town
from tests.desk.asking import KEY, question
from tests.desk.stage import Stage
from tests.desk.town import NOW_MS, ON_CALL

ASK = "ask-00000001"
DAY_MS = 86_400_000


@pytest.fixture
def asking(stage: Stage) -> Stage:
    stage.house = replace(stage.house, approval_key=KEY)
    stage.stationery = replace(stage.stationery, approval_key=KEY)
    return stage


def signal(needs: int = 1) -> Signal:
    text = question(ASK, needs=needs, asked_ms=NOW_MS, until_ms=NOW_MS + 100_000)
    return town.signal(annotations={approval.ANNOTATION: text, "beforehand_host": "web1"})


def member(house: House) -> int:
    return house.people[f"payments/{ON_CALL}"]


def say(stage: Stage, *, yes: bool = True) -> bool:
    token = approval.token(KEY, ASK, member(stage.house))
    answer = partial(approvals.answer, house=stage.house, token=token, yes=yes, now_ms=stage.now_ms)
    taken, _ = stage.store.written(answer)
    return taken


def letter(stage: Stage) -> Parcel | None:
    return stage.store.written(partial(ask_post.take, stationery=stage.stationery, now_ms=stage.now_ms))


def test_a_question_is_heard_once_and_answered_once(asking: Stage) -> None:
    for _ in range(3):
        asking.hear(signal())
    assert say(asking)
    assert not say(asking)
    assert not say(asking, yes=False)
    with asking.store.reading() as conn:
        [grant] = approvals.grants(conn, "web1", asking.now_ms)
        assert approvals.grants(conn, "web1", asking.now_ms + 100_000) == []
    assert (grant.by, grant.yes) == (ON_CALL, True)
    assert genuine(grant, host_key(KEY, grant.host))
    [told] = asking.incident()["approvals"]
    assert [one["by"] for one in told["words"]] == ["payments"]
    assert told["ended_ms"] == asking.now_ms


def test_a_letter_is_written_again_when_it_is_in_doubt_but_not_for_ever(asking: Stage) -> None:
    asking.hear(signal())
    links = set()
    for tries in range(1, 4):
        parcel = letter(asking)
        assert parcel is not None
        assert parcel.tries == tries
        links.add((parcel.message.id, parcel.message.text))
        asking.store.written(partial(recover, now_ms=asking.now_ms))
        asking.store.written(partial(record, parcel=parcel, state="unknown", reply="", at_ms=NOW_MS))
        asking.now_ms += 20_000
    assert len(links) == 1
    assert letter(asking) is None


@pytest.mark.parametrize("ends", ["late", "over", "answered", "another key"])
def test_no_letter_goes_out_for_what_is_not_asked_any_more(asking: Stage, ends: str) -> None:
    one = signal()
    asking.hear(one)
    if ends == "late":
        asking.now_ms += 100_000
    elif ends == "over":
        asking.hear(town.ended(one, asking.now_ms))
    elif ends == "answered":
        assert say(asking)
    else:
        asking.stationery = replace(asking.stationery, approval_key=KEY[::-1])
    assert letter(asking) is None
    [told] = asking.incident()["approvals"]
    assert [one["state"] for one in told["asked"]] == ["withdrawn"]


def test_evidence_is_kept_once_told_by_its_incident_and_forgotten(asking: Stage) -> None:
    one = signal()
    asking.hear(one)
    items = tuple(Item(number, "top", "load", truncated=False) for number in (1, 2))
    found = Found(one.key, "web1", "run-1", "restart", NOW_MS + 1, items)
    keep = partial(findings.keep, found=found, now_ms=NOW_MS)
    assert [asking.store.written(keep) for _ in range(2)] == [2, 0]
    assert [each["number"] for each in asking.incident()["evidence"]] == [1, 2]
    asking.store.written(partial(forget, now_ms=NOW_MS + 91 * DAY_MS))
    assert asking.incident()["evidence"] == []
    assert asking.incident()["approvals"] == []
