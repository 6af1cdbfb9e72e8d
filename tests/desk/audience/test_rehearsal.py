from __future__ import annotations

from pathlib import Path

import pytest

from desk.audience.rehearsal import rehearse
from model.misfit import Rejected

DESK = "name: Shop\nurl: http://127.0.0.1:9467\ncatalogue: [catalogue.yaml]\nhold: 60s\n"
CATALOGUE = """
services:
- service: shop
  stage: live
  impact:
  - {when: 'alertname="Down"', impact: major, affects: uses}
  - {when: 'alertname="Slow"', impact: degraded, affects: 'uses and region={{ region }}'}
customers:
- {customer: acme, uses: [shop], tags: {region: eu}, people: [{name: Ada, email: ada@acme.example}]}
- {customer: birch, uses: [shop], tags: {region: us}, people: [{name: Ben, email: ben@birch.example}]}
- {customer: cedar, people: [{name: Cleo, email: cleo@cedar.example}]}
"""
ADA, BEN = "ada@acme.example", "ben@birch.example"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "desk.yaml").write_text(DESK)
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    return tmp_path / "desk.yaml"


def test_everybody_who_uses_the_service_would_hear_of_it(desk: Path) -> None:
    people, reason = rehearse(desk)({"alertname": "Down", "service": "shop"}, 1_000)
    assert people == {ADA, BEN}
    assert "has the impact major on shop" in reason


def test_a_scope_holds_in_a_rehearsal_too(desk: Path) -> None:
    told = rehearse(desk)
    slow = {"alertname": "Slow", "service": "shop"}
    assert told({**slow, "region": "eu"}, 600_000)[0] == {ADA}
    people, reason = told(slow, 600_000)
    assert people == frozenset()
    assert "the alert has no label 'region'" in reason


def test_what_is_over_within_the_hold_is_not_told(desk: Path) -> None:
    people, reason = rehearse(desk)({"alertname": "Slow", "service": "shop", "region": "eu"}, 59_999)
    assert people == frozenset()
    assert "over within the hold of 1m" in reason


def test_an_alert_of_no_service_is_told_to_nobody(desk: Path) -> None:
    assert rehearse(desk)({"alertname": "Other"}, 1) == (
        frozenset(),
        "It touches no service of the catalogue.",
    )


def test_a_catalogue_with_mistakes_is_refused(desk: Path) -> None:
    (desk.parent / "catalogue.yaml").write_text("services: 1\n")
    with pytest.raises(Rejected):
        rehearse(desk)


SOON = """\
  - {when: 'alertname="FillsUp"', impact: degraded, affects: 'uses and region={{ region }}',
     forecast: {within: 4h}}
customers:
"""


@pytest.mark.parametrize(
    ("region", "wish", "people", "said"),
    [
        ("eu", "pre_impact: true", {ADA}, "it is only expected, and 1 person asked to hear of that"),
        ("eu", "pre_impact: false", set(), "nobody whom it would touch asked to hear of that"),
        ("eu", "pre_impact: true, via: []", set(), "nobody whom it would touch asked to hear of that"),
        ("us", "pre_impact: true", set(), "nobody whom it would touch asked to hear of that"),
        ("", "pre_impact: true", set(), "the alert has no label 'region'"),
    ],
)
def test_of_what_is_only_expected_those_would_hear_who_asked_for_it(
    desk: Path, region: str, wish: str, people: set[str], said: str
) -> None:
    text = CATALOGUE.replace("customers:\n", SOON).replace(f"email: {ADA}}}", f"email: {ADA}, {wish}}}")
    (desk.parent / "catalogue.yaml").write_text(text)
    found, reason = rehearse(desk)({"alertname": "FillsUp", "service": "shop", "region": region}, 1_000)
    assert found == people
    assert said in reason
