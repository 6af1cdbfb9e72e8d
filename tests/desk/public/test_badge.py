from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as Tree

import pytest

from desk.public.badge import badge_of, drawn, shield
from desk.state import ServiceState
from tests.desk.hostile import EVERYTHING
from tests.desk.pages import page, service
from tests.desk.public.scene import full, reading

SVG = "{http://www.w3.org/2000/svg}"


def test_a_badge_says_how_a_service_stands_to_those_who_cannot_see_it() -> None:
    with reading(full()) as client:
        answer = client.get("/badge/checkout.svg")
    picture = Tree.fromstring(answer.text)
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert picture.findtext(f"{SVG}title") == "Checkout: down"
    assert picture.get("aria-label") == "Checkout: down"


def test_the_badge_of_the_page_shows_the_worst() -> None:
    with reading(full()) as client:
        assert "Example: down" in client.get("/badge.svg").text


def test_a_badge_that_is_unknown_is_never_green() -> None:
    unknown = drawn(badge_of(page(service(ServiceState.UNKNOWN)), "checkout") or pytest.fail("no badge"))
    assert "unknown" in unknown
    assert "#1a7f37" not in unknown


def test_shields_reads_the_badge() -> None:
    with reading(full()) as client:
        found = json.loads(client.get("/badge/search.json?label=Suche").text)
    assert found == {"schemaVersion": 1, "label": "Suche", "message": "operational", "color": "1a7f37"}


def test_a_service_that_there_is_not_has_no_badge() -> None:
    with reading(full()) as client:
        assert client.get("/badge/nothing.svg").status == 404


def test_a_hostile_label_stays_a_label_and_is_bounded() -> None:
    view = replace(full(), services=(service(name=EVERYTHING),))
    found = badge_of(view, "checkout")
    assert found is not None
    text = drawn(found)
    Tree.fromstring(text)
    assert "<script" not in text
    assert len(str(shield(found)["label"])) <= 60
