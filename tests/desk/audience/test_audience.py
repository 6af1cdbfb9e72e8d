"""Exactly those are told whom an alert touches, each with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.audience.audience import Grade, Why, audience, judge, surer, why_not
from desk.catalogue.catalogue import Catalogue
from desk.incident.incident import Signal
from desk.notice.compose import reason_said
from desk.state import Impact
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
    assert {one.impact for one in found.people} == {Impact.MAJOR}


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
    nowhere = replace(CATALOGUE, customers=tuple(replace(one, tags={}) for one in CATALOGUE.customers))
    found = audience(nowhere, "checkout", [town.signal("CheckoutSlow", region="")])
    assert found.people == ()
    assert audience(nowhere, "checkout", [town.signal("CheckoutDown", region="")]).people != ()


BUILT = """\
services:
- {service: db-a, name: Database A, impact: [{when: 'alertname="Down"', impact: major},
    {when: 'alertname="Slow"', impact: degraded},
    {when: 'alertname="RegionDown"', impact: partial, affects: 'uses and region={{ region }}'}]}
- {service: db-b, impact: [{when: 'alertname="Down"', impact: major},
    {when: 'alertname="RegionDown"', impact: partial, affects: 'uses and region={{ region }}'}]}
- service: store
  impact: [{when: 'alertname="ShardDown"', impact: partial, affects: 'uses and shard={{ shard }}'}]
  hosts: {h1: {shard: s1}, h2: {shard: [s2, s3]}}
- {service: pay, name: Payments, depends_on: [{any: [db-a, db-b]}]}
- {service: shop, name: Shop, depends_on: [pay, store]}
- {service: blog, name: Blog, depends_on: [db-a]}
- {service: old, stage: retired, depends_on: [db-a]}
customers:
- {customer: eve, uses: [shop], tags: {region: eu, shard: s1}, people: [{name: E, email: e@eve.example}]}
- {customer: fay, uses: [shop], tags: {region: us, shard: s2}, people: [{name: F, email: f@fay.example}]}
- {customer: gus, uses: [blog], tags: {region: eu, shard: s3}, people: [{name: G, email: g@gus.example}]}
- {customer: ida, uses: [old], tags: {region: eu, shard: s3}, people: [{name: I, email: i@ida.example}]}
"""
CITY = town.catalogue(BUILT)


def alert(name: str, service: str, **labels: str) -> Signal:
    labels = {"service": service, "instance": "", **labels}
    return town.signal(name, at_ms=town.NOW_MS, lasts_ms=240_000, remedy=None, annotations=None, **labels)


def verdicts(signal: Signal, *others: Signal) -> dict[str, str]:
    """Return each customer's grade for an alert, with the reason of whoever is not simply left out."""
    failing = {one.labels.get("service"): (one,) for one in others}
    asked = judge(CITY, signal.labels.get("service"), [signal], failing)
    return {str(one.customer): str(asked.verdict(one).grade) for one in CITY.customers}


def evidence(customer: str, signal: Signal, *others: Signal) -> str:
    failing = {one.labels.get("service"): (one,) for one in others}
    [found] = [one for one in CITY.customers if one.customer == customer]
    return judge(CITY, signal.labels.get("service"), [signal], failing).verdict(found).evidence


def test_who_uses_what_needs_the_failing_service_is_likely_affected_and_the_way_is_said() -> None:
    down = alert("Down", "db-a")
    assert verdicts(down) == {"eve": "not", "fay": "not", "gus": "likely", "ida": "not"}
    assert evidence("gus", down) == "Down fires. blog needs it: blog -> db-a."
    assert evidence("eve", down) == (
        "shop needs db-a (shop -> pay -> db-a), but something else stands in for it."
    )
    assert evidence("ida", down) == "ida does not use Database A."


def test_when_nothing_stands_in_any_more_those_behind_it_are_affected_too() -> None:
    found = verdicts(alert("Down", "db-b"), alert("Down", "db-a"))
    assert found == {"eve": "likely", "fay": "likely", "gus": "not", "ida": "not"}
    assert evidence("eve", alert("Down", "db-b"), alert("Down", "db-a")).endswith("shop -> pay -> db-b.")


def test_redundancy_is_lost_only_where_both_fail() -> None:
    found = verdicts(alert("RegionDown", "db-b", region="eu"), alert("RegionDown", "db-a", region="us"))
    assert found == {"eve": "not", "fay": "not", "gus": "not", "ida": "not"}
    found = verdicts(alert("RegionDown", "db-b", region="eu"), alert("Down", "db-a"))
    assert found == {"eve": "likely", "fay": "not", "gus": "not", "ida": "not"}


def test_who_is_told_for_another_reason_is_not_told_again() -> None:
    assert evidence("gus", alert("Down", "db-b"), alert("Down", "db-a")) == "gus does not use db-b."
    both = (alert("Down", "db-a"), alert("Down", "db-b"))
    assert verdicts(both[0], both[1])["gus"] == "likely"
    again = alert("Down", "db-a")
    assert verdicts(again, alert("Down", "blog"))["gus"] == "likely"


def test_what_is_only_slow_makes_others_possibly_affected_and_tells_them_nothing() -> None:
    slow = alert("Slow", "db-a")
    assert verdicts(slow)["gus"] == "possible"
    assert audience(CITY, "db-a", [slow]).people == ()


@pytest.mark.parametrize(
    ("labels", "touched"),
    [
        ({"shard": "s1"}, {"eve"}),
        ({"instance": "h1"}, {"eve"}),
        ({"instance": "h2:9100"}, {"fay"}),  # s3 as well, where nobody uses the shop
        ({"instance": "h2", "shard": "s2"}, {"fay"}),
    ],
)
def test_a_host_stands_for_the_shards_that_it_serves(labels: dict[str, str], touched: set[str]) -> None:
    found = verdicts(alert("ShardDown", "store", **labels))
    assert {name for name, grade in found.items() if grade == "likely"} == touched


def test_the_reason_says_whether_the_alert_or_the_catalogue_named_the_place() -> None:
    said = evidence("eve", alert("ShardDown", "store", instance="h1"))
    assert said.startswith("ShardDown on h1 fires; the host serves shard=s1.")
    said = evidence("eve", alert("ShardDown", "store", instance="h9", shard="s1"))
    assert said.startswith("ShardDown on h9 says shard=s1.")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"instance": "h9"}, "the alert has no label 'shard', which the scope needs"),
        ({"instance": "h1", "shard": "s2"}, "the alert says shard=s2, but its host serves s1"),
        ({"shard": "*"}, "The scope holds nobody: uses and shard=*."),
        ({"shard": ""}, "the alert has no label 'shard', which the scope needs"),
    ],
)
def test_a_place_that_nobody_knows_means_nobody_and_is_a_refusal(labels: dict[str, str], said: str) -> None:
    found = audience(CITY, "store", [alert("ShardDown", "store", **labels)])
    assert found.people == ()
    assert said in found.refusals[0]


def crowd(count: int, inside: int) -> Catalogue:
    text = (
        "services: [{service: s, impact:"
        " [{when: 'alertname=\"A\"', impact: major, affects: 'uses and region={{ region }}'},"
        " {when: 'alertname=\"B\"', impact: major}]}]\ncustomers:\n"
    )
    for number in range(count):
        region = "eu" if number < inside else "us"
        text += f"- {{customer: c{number}, uses: [s], tags: {{region: {region}}},"
        text += f" people: [{{name: N, email: n@c{number}.example}}]}}\n"
    return town.catalogue(text)


def test_a_narrow_scope_that_holds_more_than_half_of_all_is_refused() -> None:
    found = audience(crowd(20, 11), "s", [alert("A", "s", region="eu")])
    assert found.people == ()
    [refusal] = found.refusals
    assert refusal.startswith("The scope was to be narrow and holds 11 of 20 customers: uses and region=eu; ")
    assert refusal.endswith("at most 50% are told without a human.")
    assert len(audience(crowd(20, 10), "s", [alert("A", "s", region="eu")]).people) == 10
    assert len(audience(crowd(20, 11), "s", [alert("A", "s", region="eu")], share_max=0.6).people) == 11


def test_a_wide_scope_that_was_written_so_and_a_small_number_of_customers_are_no_surprise() -> None:
    assert len(audience(crowd(20, 20), "s", [alert("B", "s")]).people) == 20
    assert len(audience(crowd(3, 3), "s", [alert("A", "s", region="eu")]).people) == 3


def test_a_grade_becomes_only_surer() -> None:
    assert surer(Grade.IMPACTED, "likely")
    assert not surer(Grade.LIKELY, "impacted")
    assert not surer(Grade.IMPACTED, "major")  # as an older version wrote it
