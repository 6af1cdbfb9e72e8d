"""What people's grants are worth: only those who meant this run count, each of them once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.grant import Grant, sealed
from remediations.asking.consent import GRACE_MS, GRANT_MS_MAX, Consent, Identity, Purpose, consent, lacking

NOW_MS = 1_700_000_000_000
KEY, OTHER_KEY = bytes(range(32)), bytes(32)
US = Identity("web1", KEY)
PURPOSE = Purpose("heal-shop", "a" * 64)
GRANT = Grant("ask-1", "web1", "heal-shop", "a" * 64, "ada", yes=True, at_ms=NOW_MS, until_ms=NOW_MS + 1000)


def said(*grants: Grant, purpose: Purpose = PURPOSE, us: Identity = US, **served: str) -> Consent:
    asks = {ask.replace("_", "-"): run for ask, run in served.items()}
    return consent([sealed(one, KEY) for one in grants], purpose, us, asks, NOW_MS)


def by(name: str, **other: Any) -> Grant:
    return replace(GRANT, by=name, **other)


def test_a_genuine_yes_for_this_run_counts() -> None:
    assert said(GRANT) == Consent("ask-1", ("ada",))
    assert lacking(said(GRANT), 1) == ""


@pytest.mark.parametrize(
    ("other", "because"),
    [
        ({"host": "web2"}, "the grant of 'ada' is for another host"),
        ({"playbook": "heal-shop2"}, "the grant of 'ada' is for another playbook"),
        ({"plan": "b" * 64}, "the grant of 'ada' is for another plan"),
        ({"until_ms": NOW_MS - GRACE_MS - 1}, "the grant of 'ada' is past its time"),
        ({"until_ms": NOW_MS + GRANT_MS_MAX + 1}, "the grant of 'ada' holds longer than 1d"),
        ({"by": " "}, "a grant does not say who gave it"),
    ],
)
def test_a_grant_for_something_else_does_not_count(other: dict[str, Any], because: str) -> None:
    found = said(replace(GRANT, **other))
    assert found == Consent(because=because)
    assert lacking(found, 1) == f"one person must agree, and nobody did: {because}"


def test_a_seal_of_another_key_a_changed_grant_and_a_host_without_a_key_are_not_believed() -> None:
    forged = sealed(GRANT, OTHER_KEY)
    changed = replace(sealed(GRANT, KEY), until_ms=GRANT.until_ms + 1)
    for one in (forged, changed, GRANT, replace(GRANT, seal="\ud800"), replace(GRANT, seal="é" * 64)):
        found = consent([one], PURPOSE, US, {}, NOW_MS)
        assert "has not the seal of the approval key" in found.because
        assert not found.by
    assert "without an approval key" in said(GRANT, us=Identity("web1")).because


def test_a_no_ends_it_however_many_agree() -> None:
    found = said(GRANT, by("bob", yes=False), by("eve"))
    assert found.denied == "'bob' said no"
    assert lacking(found, 0) == "'bob' said no"


def test_a_no_that_nobody_said_is_no_no() -> None:
    forged = sealed(by("bob", yes=False), OTHER_KEY)
    assert consent([sealed(GRANT, KEY), forged], PURPOSE, US, {}, NOW_MS).by == ("ada",)


def test_one_person_is_one_however_the_name_is_written() -> None:
    found = said(GRANT, by("Ada "), by("ada@example.com"), by("ada", at_ms=NOW_MS + 1))
    assert len(found.by) == 1
    assert lacking(found, 2).startswith("2 different people must agree, and ")
    assert lacking(said(GRANT, by("bob")), 2) == ""


def test_people_who_answered_different_asks_did_not_agree_to_one_thing() -> None:
    found = said(GRANT, by("bob", ask="ask-2"))
    assert lacking(found, 2)
    assert lacking(said(GRANT, by("bob", ask="ask-2"), by("eve", ask="ask-2")), 2) == ""


def test_an_ask_serves_one_run() -> None:
    assert said(GRANT, ask_1="r-0").because == "the grant of 'ada' has served the run r-0 already"
    assert said(GRANT, by("bob"), ask_1="r-0").by == ()


def test_a_run_goes_on_with_the_ask_that_it_began_with_and_no_other() -> None:
    begun = replace(PURPOSE, ask="ask-1")
    assert said(replace(GRANT, until_ms=0), purpose=begun, ask_1="r-1").by == ("ada",)
    other = said(by("bob", ask="ask-2"), purpose=begun, ask_1="r-1")
    assert other.because == "the grant of 'bob' is not for the ask that the run began with"


def test_who_looks_at_an_identity_does_not_see_the_key() -> None:
    assert str(KEY) not in repr(US)
    assert KEY.hex() not in repr(US)


_TEXT = st.text(st.characters(exclude_categories=[]), max_size=70)


@given(
    st.builds(Grant, _TEXT, _TEXT, _TEXT, _TEXT, _TEXT, st.booleans(), st.integers(), st.integers(), _TEXT)
)
def test_nothing_that_was_not_sealed_counts(grant: Grant) -> None:
    found = consent([grant], PURPOSE, US, {}, NOW_MS)
    assert (found.ask, found.by, found.denied) == ("", (), "")
