"""What is asked, of whom, and how it stands: decided without a store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.approval.approval import (
    ANNOTATION,
    Misread,
    Standing,
    Word,
    advice,
    ask_of,
    judge,
    kept,
    owner,
    readable,
    token,
    why_not,
)
from tests.desk import town
from tests.desk.asking import CATALOGUE, EVE, FINN, KEY, question

NOW_MS = town.NOW_MS
UNTIL_MS = NOW_MS + 600_000


def word(email: str, *, yes: bool = True) -> Word:
    return Word(email.partition("@")[0], email, yes, NOW_MS)


def standing(*words: Word, needs: int = 2, asked: bool = True, now_ms: int = NOW_MS) -> Standing:
    return judge(needs, UNTIL_MS, words, asked, now_ms).standing


def test_a_question_is_open_until_enough_people_said_yes() -> None:
    assert standing() is Standing.OPEN
    assert standing(word(EVE)) is Standing.OPEN
    assert standing(word(EVE), word(FINN)) is Standing.APPROVED


def test_two_addresses_of_one_name_are_one_person_as_they_are_for_the_host() -> None:
    assert standing(word("eve@shop.example"), word("Eve@other.example")) is Standing.OPEN


def test_one_no_outweighs_any_number_of_yes() -> None:
    assert standing(word(EVE), word(FINN, yes=False)) is Standing.DENIED


def test_time_and_the_end_of_an_alert_end_what_was_not_decided() -> None:
    assert standing(word(EVE), now_ms=UNTIL_MS) is Standing.LATE
    assert standing(word(EVE), asked=False) is Standing.OVER
    assert standing(word(EVE), word(FINN), asked=False, now_ms=UNTIL_MS) is Standing.APPROVED


@given(st.text(max_size=200))
def test_any_text_is_a_question_or_none(text: str) -> None:
    assert readable({ANNOTATION: text}, NOW_MS) is None


def test_what_is_longer_than_an_annotation_may_be_is_not_read() -> None:
    with pytest.raises(Misread, match="4096 bytes"):
        ask_of({ANNOTATION: " " * 5000}, NOW_MS)


def test_who_is_asked_is_the_team_that_owns_what_the_alert_touches() -> None:
    catalogue = town.catalogue(CATALOGUE)
    service, team = owner(catalogue, {"service": "checkout", "alertname": "DiskFull"})
    assert service == "checkout"
    assert team is not None
    assert [one.email for one in team.members()] == [EVE, FINN]
    assert owner(catalogue, {"service": "unknown"}) == ("unknown", None)
    assert owner(catalogue, {}) == ("", None)


def test_why_nobody_can_be_asked_is_said() -> None:
    team = town.catalogue(CATALOGUE).teams["payments"]
    assert why_not(True, team, "checkout") == ""
    assert "approval_key_file" in why_not(False, team, "checkout")
    assert "No team owns what it is about" in why_not(True, None, "")
    said = advice("restart\u202e-nginx", "ask-1", "web1\n", "No link was sent.")
    assert said == "restart-nginx asks for leave. No link was sent. On web1 : beforehand approve ask-1"


def test_a_token_is_bound_to_one_question_one_person_and_one_key() -> None:
    tokens = {token(key, ask, person) for key in (KEY, KEY[::-1]) for ask in ("a", "b") for person in (1, 11)}
    assert len(tokens) == 8
    assert len({kept(one) for one in tokens}) == 8
    assert not tokens & {kept(one) for one in tokens}


def test_an_agents_question_is_read_as_it_is_written() -> None:
    ask = ask_of({ANNOTATION: question("ask-00000001", needs=2)}, 1 << 44)
    assert ask is not None
    assert (ask.host, ask.playbook, ask.needs, ask.risk) == ("web1", "restart-nginx", 2, "R2")
