"""A small town of customers, and alerts about it, for every test of the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import CatalogueFile, joined
from desk.config import Config
from desk.incident.incident import Signal
from desk.intake.alerts import key_of
from model.decode import decode
from model.labels import Labels
from model.outcome import Healing, Outcome, Remedy

NOW_MS: Final = 1_784_000_000_000  # 14 July 2026, 03:33 UTC
SECRET: Final = b"s" * 32
NOTICE: Final = "You cannot pay at the moment."

CATALOGUE: Final = """\
services:
- service: checkout
  name: {en: Checkout, de: Kasse}
  owner: payments
  shows: ['service="checkout"']
  impact:
  - {when: 'alertname="CheckoutDown"', impact: major, affects: uses}
  - {when: 'alertname="CheckoutSlow"', impact: degraded, affects: 'uses and region={{ region }}'}
  - {when: 'alertname="AllDown"', impact: major, affects: everyone}
  sla: {availability: 99.9%, respond: 15m, resolve: 4h, review: 90d}
  xla: {csat: 90, told_first: 95%, minutes_lost: 10}
- service: search
  owner: payments
customers:
- customer: acme
  tier: gold
  uses: [checkout]
  tags: {region: eu}
  people:
  - {name: Ada, email: ada@acme.example, language: de, zone: Europe/Berlin}
  - {name: Ben, email: ben@acme.example}
- customer: birch
  uses: [checkout]
  tags: {region: us}
  people:
  - {name: Cleo, email: cleo@birch.example, zone: America/New_York}
- customer: cedar
  uses: [search]
  tags: {region: eu}
  people:
  - {name: Dan, email: dan@cedar.example}
teams:
- {team: payments, email: oncall@shop.example}
"""

CONFIG: Final = """\
name: Example Shop
url: http://127.0.0.1:9467
listen: 127.0.0.1:0
public: 127.0.0.1:0
catalogue: [catalogue.yaml]
hold: 60s
"""

ADA, BEN, CLEO, DAN = "ada@acme.example", "ben@acme.example", "cleo@birch.example", "dan@cedar.example"
ON_CALL: Final = "oncall@shop.example"


def catalogue(text: str = CATALOGUE) -> Catalogue:
    return joined([decode(text.encode(), "catalogue.yaml", CatalogueFile)])


def config(text: str = CONFIG) -> Config:
    return decode(text.encode(), "desk.yaml", Config)


def write(folder: Path, more: str = "", catalogue_text: str = CATALOGUE, config_text: str = CONFIG) -> Path:
    """Write both files; return desk.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalogue.yaml").write_text(catalogue_text)
    path = folder / "desk.yaml"
    path.write_text(config_text + more)
    return path


def signal(
    name: str = "CheckoutDown",
    *,
    at_ms: int = NOW_MS,
    lasts_ms: int = 240_000,
    remedy: Remedy | None = None,
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> Signal:
    """Return a firing alert as it is heard at this moment."""
    known = {"alertname": name, "service": "checkout", "instance": "web1", **labels}
    found = Labels.of(known)
    words = {"notice": NOTICE} if annotations is None else dict(annotations)
    words |= remedy.annotations() if remedy else {}
    return Signal(key_of(found), found, words, at_ms, at_ms + lasts_ms, at_ms)


def ended(one: Signal, at_ms: int, remedy: Remedy | None = None) -> Signal:
    """Return the word that an alert is over."""
    words = {**one.annotations, **(remedy.annotations() if remedy else {})}
    return replace(one, annotations=words, ends_ms=at_ms, updated_ms=at_ms, over=True)


ACTING: Final = Remedy(Healing.ACTING, "restart")
VERIFYING: Final = Remedy(Healing.VERIFYING, "restart", healed_ms=NOW_MS + 1_000)
FIXED: Final = Remedy(Outcome.FIXED, "restart", healed_ms=NOW_MS + 1_000, verified_ms=NOW_MS + 3_000)
FAILED: Final = Remedy(Outcome.FAILED, "restart", reason="nginx -t says no.")
