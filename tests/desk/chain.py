"""A chain of services that need each other, on either database, for the tests of correlation."""

from __future__ import annotations

from typing import Final

from desk.incident.incident import Signal
from tests.desk import town

CHAIN: Final = """\
services:
- {service: database, name: {en: Database, de: Datenbank}, owner: storage}
- {service: cache-a, owner: storage}
- {service: cache-b, owner: storage}
- service: checkout
  name: {en: Checkout, de: Kasse}
  owner: payments
  depends_on: [database, {any: [cache-a, cache-b]}]
- {service: receipts, owner: payments, depends_on: [checkout]}
- {service: news, owner: payments}
customers:
- customer: acme
  uses: [checkout]
  tags: {region: eu}
  people: [{name: Ada, email: ada@acme.example, language: de, zone: Europe/Berlin}]
- customer: birch
  uses: [database]
  tags: {region: us}
  people: [{name: Cleo, email: cleo@birch.example, zone: America/New_York}]
- customer: cedar
  uses: [news]
  people: [{name: Dan, email: dan@cedar.example}]
teams:
- {team: payments, email: oncall@shop.example}
- {team: storage, email: storage@shop.example}
"""


def fails(
    service: str, *, at_ms: int = town.NOW_MS, impact: str = "major", lasts_ms: int = 86_400_000
) -> Signal:
    """Return an alert of this service, whose remedy is at work."""
    return town.signal(
        "Fails",
        at_ms=at_ms,
        lasts_ms=lasts_ms,
        remedy=town.ACTING,
        annotations={},
        service=service,
        impact=impact,
    )
