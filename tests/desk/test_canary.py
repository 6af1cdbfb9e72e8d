"""Each customer's data carries a string of its own, and none ever comes up where another can read it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from desk.backing import Backing
from desk.incident import Signal
from model.outcome import Healing, Outcome, Remedy
from tests.desk import town
from tests.desk.serving import Serving, alert, until
from tests.desk.stage import Stage, stage_on

MINUTE_MS = 60_000
CUSTOMERS = 6
SERVICES = """\
services:
- service: database
  impact:
  - {when: 'alertname="ShardDown"', impact: partial, affects: 'uses and shard={{ shard }}'}
- service: checkout
  name: {en: Checkout, de: Kasse}
  owner: payments
  depends_on: [database]
  still_works: You can look at the basket.
  impact:
  - {when: 'alertname="CheckoutDown"', impact: major, affects: uses}
  - {when: 'alertname="TenantDown"', impact: partial, affects: 'uses and customer={{ tenant }}'}
  - {when: 'alertname="TierSlow"', impact: degraded, affects: 'tier={{ tier }}'}
  - {when: 'alertname="CheckoutSlow"', impact: degraded, affects: 'uses and region={{ region }}'}
teams:
- {team: payments, email: oncall@shop.example}
customers:
"""
KNOWN_PATHS = (
    *(
        "/",
        "/history",
        "/embed",
        "/llms.txt",
        "/maintenance.ics",
        "/history.atom",
        "/history.rss",
        "/metrics",
    ),
    *(
        f"/api/v2/{name}.json"
        for name in ("summary", "status", "components", "incidents", "incidents/unresolved")
    ),
    *("/api/v2/scheduled-maintenances.json", "/api/v1/transparency.json", "/badge/checkout.svg"),
)
LINK = re.compile(r'(?:href|src)="(/[^"]*)"|https?://127\.0\.0\.1:9467(/[^"<\s]*)')


def canary(number: int) -> str:
    return f"zq{number}canary{number * 7919 % 1000:03}"


CANARIES = [canary(number) for number in range(CUSTOMERS)]


def text() -> str:
    lines = []
    for number, mark in enumerate(CANARIES):
        language = "de" if number % 2 else "en"
        lines.append(
            f"- customer: {mark}\n  name: Firm {mark}\n  tier: tier-{mark}\n  value: {number}\n"
            f"  contract: {{number: {mark}-contract}}\n  uses: [checkout]\n"
            f"  tags: {{region: {'eu' if number < 3 else 'us'}, shard: shard-{mark}, note: {mark}}}\n"
            f"  people:\n"
            f"  - {{name: Ann {mark}, email: ann-{mark}@{mark}.example, language: {language},"
            f" roles: [{mark}], addresses: {{webhook: 'https://{mark}.example/'}}}}\n"
        )
    return SERVICES + "".join(lines)


def address(mark: str) -> str:
    return f"ann-{mark}@{mark}.example"


def seen_in(said: str) -> set[str]:
    return {mark for mark in CANARIES if mark in said}


@pytest.fixture
def city(backing: Backing) -> Iterator[Stage]:
    """A desk of six customers, each with a string of its own."""
    with stage_on(backing, text()) as made:
        yield made


def alerts(stage: Stage) -> list[Signal]:
    """Return alerts that name single customers in labels, hosts and words, as alerts do."""
    first, second, third, *_ = CANARIES
    words = {"notice": f"Firm {second} cannot pay.", "summary": f"{third} on shard-{third}"}
    trying = Remedy(Healing.ACTING, "restart", reason=f"because of {first}")
    at_ms = stage.now_ms
    return [
        town.signal("TenantDown", at_ms=at_ms, tenant=first, instance=f"web-{second}", lasts_ms=10**8),
        town.signal("TierSlow", at_ms=at_ms, tier=f"tier-{third}", annotations=words, lasts_ms=10**8),
        town.signal("CheckoutSlow", at_ms=at_ms, region="eu", note=second, remedy=trying, lasts_ms=10**8),
        town.signal("ShardDown", at_ms=at_ms, service="database", shard=f"shard-{third}", lasts_ms=10**8),
    ]


def test_no_mail_and_no_log_of_a_whole_incident_names_another_customer(
    city: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[Signal] = []
    for one in alerts(city):
        heard.append(one)
        city.hear(one)
        city.pass_ms(2 * MINUTE_MS)
    everywhere = town.signal(at_ms=city.now_ms, lasts_ms=10**8)
    city.hear(everywhere)
    for _ in range(6):
        city.pass_ms(10 * MINUTE_MS)
    failed = Remedy(Outcome.FAILED, "restart", reason=f"{CANARIES[4]} says no")
    city.hear(replace(everywhere, annotations={**everywhere.annotations, **failed.annotations()}))
    city.pass_ms(MINUTE_MS)
    city.hear(*(town.ended(one, city.now_ms) for one in (*heard, everywhere)))
    city.pass_ms(5 * MINUTE_MS)
    assert {message.to for message in city.sent} >= set(map(address, CANARIES))
    for message in city.sent:
        if message.to == town.ON_CALL:
            continue
        [own] = [mark for mark in CANARIES if address(mark) == message.to]
        assert seen_in(repr(message)) == {own}, message
    assert seen_in(caplog.text) == set()


def test_no_public_page_and_no_log_of_a_running_desk_names_a_customer(tmp_path: Path) -> None:
    config = town.write(
        tmp_path, catalogue_text=text(), config_text=town.CONFIG.replace("hold: 60s", "hold: 0s")
    )
    first, second, *_ = CANARIES
    with Serving(config, tmp_path / "state") as serving:
        notice = {"annotations": {"notice": f"Firm {second} cannot pay."}}
        serving.post([alert() | notice, alert("TenantDown", tenant=first, instance=second)])
        serving.post([{"labels": {"alertname": first, "service": second}, "annotations": {first: second}}, 7])
        until(lambda: len(serving.incidents()[0]["told"]) == CUSTOMERS, "all are told")
        looked = look_through(serving)
        over = partial(alert, over=True, remedy="fixed")
        serving.post([over(), over("TenantDown", tenant=first, instance=second)])
        until(lambda: serving.incidents()[0]["state"] == "resolved", "it is over")
        looked |= look_through(serving)
    assert {path for path in looked if path.startswith("/incidents/")}, looked
    assert seen_in("".join(serving.errors)) == set()


def look_through(serving: Serving) -> set[str]:
    """Read every public page that there is a way to; return their paths."""
    waiting, done = [*KNOWN_PATHS], set()
    waiting += [f"/incidents/{one['id']}" for one in serving.incidents()]
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        reply = serving.ask(path, public=True)
        said = reply.body.decode("utf-8", "replace") + repr(reply.headers)
        assert seen_in(said) == set(), (path, said)
        waiting += [found[1] or found[2] for found in LINK.finditer(said)]
    return done
