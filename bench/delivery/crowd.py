"""A desk's house for any number of people, made in memory; a file of a million would only be read slowly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer, Person
from desk.catalogue.dependency import Ref
from desk.catalogue.file import CatalogueFile, joined
from desk.catalogue.person import EmailAddress, Language, Slug, Text, Zone
from desk.config import Config
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from model.decode import decode
from model.labels import Labels
from model.misfit import NOWHERE

HOUSEHOLD = 20
_ZONES = tuple(map(Zone, ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC")))
_LANGUAGES = tuple(map(Language, ("en", "de")))
_CATALOGUE = b"""\
services:
- service: checkout
  name: {en: Checkout, de: Kasse}
  shows: ['service="checkout"']
  impact:
  - {when: 'alertname="CheckoutDown"', impact: major, affects: uses}
customers: []
"""
_CONFIG = b"""\
name: Example Shop
url: http://127.0.0.1:9467
catalogue: [catalogue.yaml]
narrow_scope_max: 100%
"""


def config() -> Config:
    """Return what desk.yaml would say."""
    return decode(_CONFIG, "desk.yaml", Config)


def catalogue(people: int) -> Catalogue:
    """Return one service and everybody who uses it, in customers of twenty people."""
    found = joined([decode(_CATALOGUE, "catalogue.yaml", CatalogueFile)])
    everybody = _people(people)
    customers: list[Customer] = []
    while some := tuple(islice(everybody, HOUSEHOLD)):
        name = Slug(f"c{len(customers)}")
        customers.append(Customer(name, NOWHERE, uses=(Ref("checkout", NOWHERE),), people=some))
    return Catalogue(found.services, tuple(customers), found.teams)


def _people(count: int) -> Iterator[Person]:
    for number in range(count):
        yield Person(
            name=Text(f"Person {number}"),
            email=EmailAddress(f"p{number}@acme.example"),
            place=NOWHERE,
            language=_LANGUAGES[number // 4 % 2],
            zone=_ZONES[number % 4],
        )


def alert(at_ms: int) -> Signal:
    """Return the word that checkout is down."""
    labels = Labels.of({"alertname": "CheckoutDown", "service": "checkout", "instance": "web1"})
    words = {"notice": "You cannot pay at the moment."}
    return Signal(key_of(labels), labels, words, at_ms, at_ms + 3_600_000, at_ms)


def over(one: Signal, at_ms: int) -> Signal:
    """Return the word that an alert is over."""
    return replace(one, ends_ms=at_ms, updated_ms=at_ms, over=True)
