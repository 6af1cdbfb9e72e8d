"""The catalogue is read strictly, and what one part says of another must be true."""

from __future__ import annotations

import pytest

from desk.view import Impact
from model.misfit import Rejected
from tests.desk import town


def problems(*changes: tuple[str, str]) -> list[str]:
    text = town.CATALOGUE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    with pytest.raises(Rejected) as wrong:
        town.catalogue(text)
    return [str(one) for one in wrong.value.problems]


def test_the_catalogue_of_the_design_is_read() -> None:
    catalogue = town.catalogue()
    checkout = catalogue.services["checkout"]
    assert [checkout.said_in(language) for language in ("de", "de-AT", "fr")] == [
        "Kasse",
        "Kasse",
        "Checkout",
    ]
    assert checkout.sla.availability is not None
    assert checkout.sla.availability.value == 99.9
    assert catalogue.services["search"].said_in("de") == "search"
    assert [person.name for _, person in catalogue.people()] == ["Ada", "Ben", "Cleo", "Dan"]
    team = catalogue.team_of("checkout")
    assert team is not None
    assert team.email == town.ON_CALL


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("uses: [search]", "uses: [serch]", "there is no service 'serch'; did you mean 'search'?"),
        ("owner: payments\n  shows", "owner: nobody\n  shows", "there is no team 'nobody'"),
        ("affects: uses}", "affects: 'uses and planet=x'}", "no customer carries the tag 'planet'"),
        ("affects: uses}", "affects: 'uses and region=mars'}", "no customer has region=mars"),
        ("affects: uses}", "affects: 'customer=nobody'}", "no customer has customer=nobody"),
        ("ben@acme", "ada@acme", "the person 'ada@acme.example' is given twice"),
        ("dan@cedar.example", "ADA@acme.example", "the person 'ada@acme.example' is given twice"),
        ("customer: birch", "customer: acme", "the customer 'acme' is given twice"),
        ("service: search\n", "service: checkout\n", "the service 'checkout' is given twice"),
        ("service: search\n", "service: search\n  depends_on: [search]\n", "depends on itself"),
        ("'alertname=\"CheckoutDown\"'", "'alertname'", "expected one of = != =~ !~"),
        ("impact: major, affects: uses}", "impact: awful, affects: uses}", "expected one of major"),
        ("99.9%", "99.9", "is not a percentage"),
        ("zone: Europe/Berlin", "zone: Europe/Atlantis", "is not a time zone"),
        ("ada@acme.example", "'ada@acme.example, eve@x.example'", "is not one e-mail address"),
        ("tier: gold", "teir: gold", "did you mean 'tier'?"),
        ("service: checkout\n", "service: Check/out\n", "is not a name here"),
    ],
)
def test_a_mistake_is_refused_with_its_cure(old: str, new: str, said: str) -> None:
    found = problems((old, new))
    assert any(said in one for one in found), found
    assert all(one.startswith("catalogue.yaml:") for one in found)


def test_mistakes_in_different_parts_are_said_at_once() -> None:
    found = problems(("uses: [search]", "uses: [none]"), ("owner: payments\n  shows", "owner: none\n  shows"))
    assert len(found) == 2


def test_without_any_team_an_owner_is_a_mere_word() -> None:
    text = town.CATALOGUE.partition("teams:")[0]
    assert town.catalogue(text).team_of("checkout") is None


def test_the_first_impact_that_matches_wins_and_else_the_label() -> None:
    catalogue = town.catalogue()
    assert (
        catalogue.touch("checkout", {"alertname": "CheckoutDown", "impact": "minor"}).impact is Impact.MAJOR
    )
    assert catalogue.touch("checkout", {"alertname": "Other", "impact": "minor"}).impact is Impact.MINOR
    assert catalogue.touch("checkout", {"alertname": "Other", "impact": "awful"}).impact is Impact.UNKNOWN
    assert catalogue.touch("checkout", {"alertname": "Other"}).impact is None


def test_a_service_without_shows_is_shown_by_its_label_and_only_live_ones_are_touched() -> None:
    catalogue = town.catalogue(
        town.CATALOGUE.replace("service: search\n", "service: search\n  stage: retired\n")
    )
    assert [touch.service for touch in town.catalogue().touches({"service": "search"})] == ["search"]
    assert catalogue.touches({"service": "search"}) == ()
