"""Each customer's data carries a string of its own, and none ever comes up where another can read it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from desk.incident.incident import Signal
from desk.page.view import DAY_MS
from desk.store.backing import Backing
from model.outcome import Healing, Outcome, Remedy
from tests.desk import town
from tests.desk.leaves import post
from tests.desk.post import Post, post_office
from tests.desk.serving import Reply, Serving, alert, stamp, until
from tests.desk.stage import Stage, stage_on
from tests.desk.surfaces import copied, every

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
            f" roles: [{mark}], digest: daily, addresses: {{webhook: 'https://{mark}.example/'}}}}\n"
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


def test_no_summary_of_the_day_names_another_customer(city: Stage) -> None:
    brief = [
        replace(one, annotations={**one.annotations, **town.FIXED.annotations()}) for one in alerts(city)
    ]
    for one in brief:
        city.hear(one)
        city.now_ms += 1_000
        city.hear(town.ended(one, city.now_ms, town.FIXED))
    city.pass_ms(DAY_MS)
    sent = post(city)
    assert {message.to for message in sent} & set(map(address, CANARIES))
    for message in sent:
        [own] = [mark for mark in CANARIES if address(mark) == message.to]
        assert seen_in(repr(message)) == {own}, message


@dataclass(frozen=True, slots=True)
class Exposed:
    """A desk that runs, with everything on it that could tell of a customer to another."""

    desk: Serving
    office: Post
    place: Path

    def say(self, method: str, path: str, **body: object) -> Reply:
        headers = {"Content-Type": "application/json"}
        reply = self.desk.ask(path, method=method, body=json.dumps(body).encode(), headers=headers)
        assert reply.status < 500, (path, reply)
        return reply

    def look(self, *more: str) -> set[str]:
        """Read every public surface and the copy; return where."""
        found = set()
        for surface in (*every(self.desk, *more), *copied(self.place)):
            assert seen_in(surface.text + surface.headers) == set(), surface
            found.add(surface.path)
        return found

    def ref(self) -> str:
        return str(self.desk.incidents()[0]["id"])


@contextmanager
def exposed(folder: Path) -> Iterator[Exposed]:
    place = folder / "copy"
    place.mkdir(parents=True)
    with post_office() as office:
        smtp = f'smtp: {{host: 127.0.0.1, port: {office.port}, from: "Shop <status@shop.example>"}}\n'
        config = town.write(
            folder,
            smtp + f"copy: {{to: {place}}}\n",
            catalogue_text=text(),
            config_text=town.CONFIG.replace("hold: 60s", "hold: 0s"),
        )
        with Serving(config, folder / "state") as desk:
            yield Exposed(desk, office, place)
        assert seen_in("".join(desk.errors)) == set()
        for mail in office.mails:
            own = {mark for mark in CANARIES if mail.to == (address(mark),)}
            # Those who own the service are called with the alert's own words.
            assert mail.to == (town.ON_CALL,) or seen_in(mail.data.decode() + mail.text) == own, mail


def test_no_public_surface_no_mail_and_no_log_of_a_running_desk_names_another_customer(
    tmp_path: Path,
) -> None:
    first, second, third, fourth, *_ = CANARIES
    with exposed(tmp_path) as here:
        notice = {"annotations": {"notice": f"Firm {second} cannot pay.", "summary": third}}
        here.desk.post([alert(remedy="") | notice, alert("TenantDown", tenant=first, instance=second)])
        here.desk.post(
            [{"labels": {"alertname": first, "service": second}, "annotations": {first: second}}, 7]
        )
        here.desk.post([{"labels": {"alertname": "Watchdog", "instance": fourth}}])
        until(lambda: len(here.desk.incidents()[0]["told"]) == CUSTOMERS, "all are told")
        speak_of_customers(here)
        asked = [f"/{first}", f"/incidents/{first}", f"/badge/{first}.svg", f"/{first}.json?x={second}"]
        looked = here.look()
        for path in asked:
            reply = here.desk.ask(path, public=True)
            assert seen_in(reply.text + repr(reply.headers)) == set(), path
        for path in ("/metrics", "/told-first", "/api/v1/transparency.json"):
            assert seen_in(here.desk.ask(path).text) == set(), path
        over = partial(alert, over=True, remedy="fixed")
        here.desk.post([over(), over("TenantDown", tenant=first, instance=second)])
        until(lambda: here.desk.incidents()[0]["state"] == "resolved", "it is over")
        looked |= here.look()
        here.office.wait(lambda: all(len(here.office.to(address(mark))) >= 3 for mark in CANARIES))
    assert {"/events", "/embed", "/history.atom", "copy/index.html"} <= looked
    assert {path for path in looked if path.startswith("/incidents/")}, looked


def test_what_is_taken_back_names_no_other_customer_either(tmp_path: Path) -> None:
    with exposed(tmp_path) as here:
        here.desk.post([alert(remedy=""), alert("TenantDown", tenant=CANARIES[0])])
        here.office.wait(lambda: all(here.office.to(address(mark)) for mark in CANARIES))
        because = f"{CANARIES[1]} asked for it"
        taken = here.say("POST", f"/api/v1/incidents/{here.ref()}/retract", by=CANARIES[2], because=because)
        assert taken.status == 200, taken
        here.office.wait(lambda: all(len(here.office.to(address(mark))) == 2 for mark in CANARIES))
        here.look()


def speak_of_customers(here: Exposed) -> None:
    """Let staff, gateways and customers say names where they can; words for customers that do are refused."""
    first, second, third, *_ = CANARIES
    incident = f"/api/v1/incidents/{here.ref()}"
    named = f"Firm {third} cannot pay."
    assert here.say("PATCH", incident, by=first, because=second, text=named).status == 422
    assert here.say("PATCH", incident, by=first, because=second, title=named).status == 422
    plain = here.say("PATCH", incident, by=first, because=second, text="Paying by card fails for now.")
    assert plain.status == 200, plain
    for mark in CANARIES[:2]:
        report = {"kind": "symptom", "who": address(mark), "text": f"{third} and {mark}", "intake": "mail"}
        answered = here.say("POST", "/api/v1/reports", **report)
        assert seen_in(answered.text) <= {mark}, answered
    times = {"start": stamp(90_000), "end": stamp(93_600)}
    work = {
        "by": first,
        "services": ["checkout"],
        "impact": "major",
        "affects": f"customer={second}",
        **times,
    }
    said = here.say("POST", "/api/v1/maintenances", **work, title=f"Work for {third}", notice=named)
    assert said.status in (400, 422), said
    said = here.say(
        "POST", "/api/v1/maintenances", **work, title="A new rack", notice="You will be signed out."
    )
    assert said.status in (200, 201), said
    silence = {"matchers": [{"name": "tenant", "value": third, "isRegex": False}], "createdBy": first}
    times = {"startsAt": stamp(0), "endsAt": stamp(3600)}
    assert here.say("POST", "/api/v2/silences", **silence, comment=second, **times).status == 200
