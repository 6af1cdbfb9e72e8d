"""Words that want to be more than words reach every page, feed, mail and log as words, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk.intake.alerts import read_alerts, without_nul
from desk.store.backing import Backing
from tests.desk import town
from tests.desk.hostile import EVERYTHING, HOSTILE, seen
from tests.desk.page.test_page import parsed
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, alert, stamp, until
from tests.desk.stage import stage_on
from tests.desk.surfaces import copied, every

JSON = {"Content-Type": "application/json"}
NAMED = json.dumps(seen(EVERYTHING)[:180])
CATALOGUE = f"""\
services:
- service: checkout
  name: {NAMED}
  owner: payments
  impact:
  - {{when: 'alertname="CheckoutDown"', impact: major, affects: uses}}
customers:
- customer: acme
  name: {NAMED}
  value: 1
  tags: {{note: {NAMED}}}
  uses: [checkout]
  people:
  - {{name: {NAMED}, email: ada@acme.example}}
  - {{name: {NAMED}, email: ben@acme.example, language: de}}
teams:
- {{team: payments, email: oncall@shop.example}}
"""


def hostile_alerts() -> list[dict[str, object]]:
    """Return one alert for each of them, with it in every place."""
    found: list[dict[str, object]] = []
    for text in HOSTILE.values():
        told = alert(remedy="", instance=text, tenant=text, path=text)
        words = {"notice": text, "summary": text, "beforehand_reason": text, "beforehand_status": text}
        found.append({**told, "annotations": words, "generatorURL": f"javascript:alert(1)//{text}"})
        found.append(alert("Watchdog", instance=text))
        found.append(alert(text, service=text))
    return found


def furnish(folder: Path, post: Post, place: Path) -> Path:
    config = town.CONFIG.replace("Example Shop", NAMED).replace("hold: 60s", "hold: 0s")
    more = f'smtp: {{host: 127.0.0.1, port: {post.port}, from: "Shop <status@shop.example>"}}\n'
    place.mkdir()
    return town.write(folder, more + f"copy: {{to: {place}}}\n", catalogue_text=CATALOGUE, config_text=config)


def say_all(desk: Serving) -> None:
    """Say them wherever staff and agents may say something; each is taken, or refused with a sentence."""
    for one in hostile_alerts():
        assert desk.post([one]).status == 200, one
    until(lambda: bool(desk.incidents()), "there is an incident")
    [ref, *_] = [one["id"] for one in desk.incidents()]
    for name, text in HOSTILE.items():
        words = {"en": text, "de": text}
        work: dict[str, object] = {"title": text, "notice": text, "todo": text, "services": ["checkout"]}
        work |= {"by": "Eve", "impact": "major", "start": stamp(90_000), "end": stamp(93_600)}
        ways: list[tuple[str, str, dict[str, object]]] = [
            ("PATCH", f"/api/v1/incidents/{ref}", {"by": text, "because": text, "title": words}),
            ("PATCH", f"/api/v1/incidents/{ref}", {"by": "Eve", "text": words, "notify": True}),
            ("POST", "/api/v1/reports", {"kind": "symptom", "who": "ada@acme.example", "text": text}),
            ("POST", "/api/v1/reports", {"kind": "symptom", "who": text[:200], "service": text[:60]}),
            ("POST", "/api/v1/maintenances", work),
            ("POST", "/api/v1/bounces", {"text": text}),
            ("POST", "/api/v1/evidence", {"text": text}),
        ]
        for method, path, body in ways:
            reply = desk.ask(path, method=method, body=json.dumps(body).encode(), headers=JSON)
            assert reply.status < 500, (name, path, reply)


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as office:
        yield office


def test_hostile_words_break_no_format_and_run_nowhere(tmp_path: Path, post: Post) -> None:
    place = tmp_path / "copy"
    with Serving(furnish(tmp_path, post, place), tmp_path / "state") as desk:
        say_all(desk)
        asked = [f"/no/{quote(text[:1000])}" for text in HOSTILE.values()]
        asked += [f"/badge.svg?label={quote(text[:1000])}" for text in HOSTILE.values()]
        asked += [f"/badge/checkout.json?label={quote(text[:1000])}" for text in HOSTILE.values()]
        for surface in every(desk, *asked):
            surface.check()
            assert "evil" not in surface.headers.lower(), surface.path
            assert "1337" not in surface.text, surface.path
        for path in ("/told-first", f"/told-first?service={quote(HOSTILE['markup'])}"):
            assert "script" not in parsed(desk.ask(path).text).seen
        list(text_string_to_metric_families(desk.ask("/metrics").text))
        for path in ("/api/v2/alerts", "/api/v2/alerts/groups", "/api/v1/incidents", "/api/v1/ledger"):
            desk.ask(path).json()
        until((place / "index.html").exists, "the copy is written")
        for surface in copied(place):
            surface.check()
        post.wait(lambda: len(post.mails) >= 4)
        assert desk.ask("/-/healthy").status == 200
    for mail in post.mails:
        sound(mail.message)
        assert mail.to in [(town.ADA,), (town.BEN,), (town.ON_CALL,)], mail
    log = "".join(desk.errors)
    assert "Traceback" not in log
    assert all(line.startswith(("WARNING ", "ERROR ", "INFO ")) for line in log.splitlines()), log


def sound(message: EmailMessage) -> None:
    """Fail where a mail has a header that nobody wrote, more recipients, or markup that is not ours."""
    assert not message.defects
    assert not {"bcc", "cc", "x-evil"} & {name.lower() for name in message.keys()}  # noqa: SIM118  it is no dict
    assert [len(message.get_all(name, [])) for name in ("To", "From", "Subject", "Message-ID")] == [1] * 4
    assert len(message["To"].addresses) == 1
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert not any(one in plain.get_content() for one in "\x00\x0b\x1b\u202e\u200b")
    if html is not None:
        tags = parsed(html.get_content())
        assert not {"script", "img", "svg", "form"} & set(tags.seen)
        assert not any(name.startswith("on") for _, name, _ in tags.attributes)


def test_hostile_words_are_kept_on_either_database(backing: Backing) -> None:
    body = json.dumps(hostile_alerts()).encode()
    with stage_on(backing) as stage:
        taken = read_alerts(without_nul(body), stage.now_ms)
        assert not taken.problems
        stage.hear(*taken.signals)
        for _ in range(3):
            stage.pass_ms(61_000)
        assert stage.sent


def test_a_nul_is_replaced_and_what_only_looks_like_one_is_kept() -> None:
    for text in ("\0", "a\0\0b", "\\\0", "\\\\\0"):
        assert json.loads(without_nul(json.dumps(text).encode())) == text.replace("\0", "\ufffd")
    for text in ("\\u0000", "\\\\u0000", "plain"):
        assert json.loads(without_nul(json.dumps(text).encode())) == text
