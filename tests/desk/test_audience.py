"""Exactly those are told whom an alert touches, each with the reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desk.affects import Scope
from desk.audience import Why, audience, is_in, why_not
from desk.compose import reason_said
from desk.incident import Signal
from desk.view import Impact
from tests.desk import town
from tests.desk.town import ADA, BEN, CLEO, DAN

CATALOGUE = town.catalogue()


def told(*signals: Signal) -> dict[str, str]:
    service = CATALOGUE.services["checkout"]
    found = audience(CATALOGUE, "checkout", signals)
    return {one.person.email: reason_said(service, "Example", one.why) for one in found.people}


def test_users_of_the_service_are_told_and_nobody_else() -> None:
    assert told(town.signal()) == dict.fromkeys((ADA, BEN, CLEO), "You use Checkout.")


def test_a_label_narrows_the_scope() -> None:
    assert told(town.signal("CheckoutSlow", region="eu")) == dict.fromkeys(
        (ADA, BEN), "You use Checkout in eu."
    )


def test_everyone_is_everyone() -> None:
    assert set(told(town.signal("AllDown"))) == {ADA, BEN, CLEO, DAN}


def test_a_scope_that_does_not_resolve_means_nobody_and_says_so() -> None:
    found = audience(CATALOGUE, "checkout", [town.signal("CheckoutSlow")])
    assert found.people == ()
    assert found.refusals == (
        "The scope does not resolve: the alert has no label 'region', which the scope needs.",
    )


def test_a_scope_that_holds_nobody_is_a_refusal() -> None:
    found = audience(CATALOGUE, "checkout", [town.signal("CheckoutSlow", region="mars")])
    assert found.people == ()
    assert found.refusals == ("The scope holds nobody: uses and region=mars.",)


def test_one_unresolved_scope_does_not_hide_another() -> None:
    found = audience(
        CATALOGUE, "checkout", [town.signal("CheckoutSlow"), town.signal("CheckoutSlow", region="us")]
    )
    assert [one.person.email for one in found.people] == [CLEO]
    assert len(found.refusals) == 1


def test_the_heaviest_impact_on_a_person_counts() -> None:
    found = audience(CATALOGUE, "checkout", [town.signal("CheckoutSlow", region="eu"), town.signal()])
    assert {one.grade for one in found.people} == {Impact.MAJOR}


def test_whoever_is_not_told_can_be_told_why() -> None:
    cedar, birch = CATALOGUE.customers[2], CATALOGUE.customers[1]
    assert why_not(CATALOGUE, "checkout", cedar) == "cedar does not use Checkout."
    assert why_not(CATALOGUE, "checkout", birch) == "birch is outside the scope of the alerts."


def test_a_reason_survives_the_store() -> None:
    why = Why(uses=True, tags=(("region", "eu"), ("tier", "gold")))
    assert Why.from_key(why.key()) == why
    assert why.places() == "eu, tier gold"


@given(st.text(max_size=20), st.sampled_from(["CheckoutDown", "CheckoutSlow"]))
def test_no_label_whatever_it_says_reaches_somebody_outside(value: str, name: str) -> None:
    found = audience(CATALOGUE, "checkout", [town.signal(name, region=value)])
    for one in found.people:
        assert any(ref.text == "checkout" for ref in one.customer.uses)
        assert name == "CheckoutDown" or one.customer.tags["region"] == value


def test_an_empty_tag_never_matches() -> None:
    assert not is_in(CATALOGUE.customers[0], "checkout", Scope(tags=(("planet", ""),)))
