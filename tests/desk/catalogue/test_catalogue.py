"""The catalogue is read strictly, and what one part says of another must be true."""

from __future__ import annotations

import json

import pytest

from desk.catalogue.text import plain
from desk.state import Impact
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
        (
            "service: search\n",
            "service: search\n  depends_on: [search]\n",
            "itself: search -> search; remove",
        ),
        (
            "service: search\n",
            "service: a\n  depends_on: [search]\n- service: search\n  depends_on: [{any: [a, checkout]}]\n",
            "the service 'a' depends on itself: a -> search -> a",
        ),
        ("service: search\n", "service: search\n  depends_on: [{any: [checkout]}]\n", "between two services"),
        (
            "service: search\n",
            "service: search\n  depends_on: [{all: [checkout]}]\n",
            "expected the one key any",
        ),
        ("service: search\n", "service: search\n  depends_on: [{any: [x, y]}]\n", "there is no service 'x'"),
        (
            "service: search\n",
            "service: search\n  stage: dead\n",
            "expected one of proposed, designed, pilot",
        ),
        ("service: search\n", "service: search\n  criticality: huge\n", "expected one of low, medium, high"),
        ("service: search\n", "service: search\n  hosts: {w: {a: []}}\n", "expected a value"),
        ("tier: gold", "value: -1", "the value is below nothing"),
        ("tier: gold", "contract: {number: C, since: 2026-02-30}", "is not a day"),
        (
            "tier: gold",
            "contract: {number: C, since: 2026-02-01, until: 2026-01-01}",
            "the contract ends before it begins",
        ),
        ("name: Dan,", "name: Dan, via: [sms],", "there is no number for sms"),
        ("name: Dan,", "name: Dan, via: [webhook],", "there is no address for webhook"),
        ("name: Dan,", "name: Dan, via: [sms], addresses: {sms: +49 170 123456},", "without consent"),
        ("name: Dan,", "name: Dan, addresses: {sms: 0170},", "is not a telephone number"),
        ("name: Dan,", "name: Dan, addresses: {webhook: 'http://x.example/'},", "is not an https address"),
        ("name: Dan,", "name: Dan, addresses: {webhook: 'https://u@x.example/'},", "is not an https address"),
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


def test_nobody_is_in_a_team_twice() -> None:
    text = town.CATALOGUE.replace(
        "email: oncall@shop.example}",
        "email: oncall@shop.example, people: [{name: Eve, email: e@shop.example},"
        " {name: Eva, email: E@shop.example}]}",
    )
    with pytest.raises(Rejected, match="is given twice"):
        town.catalogue(text)


WHOLE = """\
services:
- service: checkout
  name: {en: Checkout, de: Kasse}
  about: {en: Where customers pay, de: Wo Kunden zahlen}
  stage: pilot
  criticality: critical
  business_units: [Retail, Finance]
  depends_on: [database, {any: [cache-a, cache-b]}]
  shows: ['service="checkout"', 'team="pay", env!="test"']
  impact:
  - when: 'alertname="Slow"'
    impact: degraded
    affects: 'uses and region={{ region }} and tier=gold'
    still_works: {en: You can pay by card., de: Kartenzahlung geht.}
    workaround: Pay by card.
  - {when: 'alertname="AllDown"', impact: major, affects: everyone}
  still_works: {en: You can fill the basket.}
  workaround: {en: Call us., de: Rufen Sie an.}
  hosts: {web1: {region: eu}, web2: {region: [us, ap]}}
  sla: {availability: 99.95%, respond: 15m}
  xla: {told_first: 95%}
- {service: database}
- {service: cache-a}
- {service: cache-b, stage: retiring}
customers:
- customer: acme
  name: "Acme: the 1st"
  tier: gold
  value: 12000.5
  contract: {number: C-1, since: 2025-01-01, until: 2027-12-31}
  uses: [checkout]
  tags: {region: eu, "null": "yes"}
  people:
  - name: Ada
    email: ada@acme.example
    roles: [buyer, it-lead]
    via: [email, sms, webhook]
    addresses: {sms: +49 170 1234567, webhook: "https://hooks.acme.example/x?y=1"}
    consent: {email: 2025-01-01, sms: 2025-01-02}
    quiet: "22:00-07:00"
teams:
- {team: payments, email: oncall@shop.example, people: [{name: Eve, email: eve@shop.example}]}
"""


def test_what_still_works_is_said_by_alert_and_in_the_readers_language() -> None:
    checkout = town.catalogue(WHOLE).services["checkout"]
    slow = {"alertname": "Slow"}
    assert checkout.still_works("de", slow) == "Kartenzahlung geht."
    assert checkout.still_works("de") == "You can fill the basket."
    assert checkout.workaround("de", {"alertname": "Other"}) == "Rufen Sie an."
    assert checkout.workaround("de", slow) == "Pay by card."
    assert town.catalogue(WHOLE).services["database"].still_works("en") == ""


def test_a_catalogue_is_written_in_the_keys_that_are_read() -> None:
    before = town.catalogue(WHOLE)
    text = json.dumps(plain(before))
    after = town.catalogue(text)
    assert (after.services, after.customers, after.teams) == (before.services, before.customers, before.teams)
    assert json.loads(text)["services"][0]["depends_on"] == ["database", {"any": ["cache-a", "cache-b"]}]
    assert json.dumps(plain(after)) == text


def test_the_ways_between_services_are_known() -> None:
    catalogue = town.catalogue(WHOLE)
    assert catalogue.upstream("checkout") == ("database", "cache-a", "cache-b")
    assert catalogue.downstream("cache-b") == ("cache-b", "checkout")
    assert catalogue.path("checkout", "cache-b") == ("checkout", "cache-b")
    assert catalogue.path("database", "checkout") == ()
    assert catalogue.brought_down(["cache-a"]) == {"cache-a": ("cache-a",)}
    both = catalogue.brought_down(["cache-a", "cache-b"])
    assert both["checkout"] == ("checkout", "cache-a")
