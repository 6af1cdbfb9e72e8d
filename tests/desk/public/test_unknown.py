"""A service whose agent is silent is unknown on every surface that there is, and nowhere operational."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from desk.page.snapshot import Snapshot
from desk.page.view import CONFIRMED_FOR_MS, honest
from desk.public.routes import FORMS, program_routes
from desk.state import ServiceState
from tests.desk import town
from tests.desk.page.test_page import desk_with, parsed, served
from tests.desk.pages import page, service
from tests.desk.public.scene import UNDER_WAY
from tests.desk.serving import Serving, alert, stamp, until
from tests.desk.surfaces import Surface, copied, every, told

CATALOGUE = """\
services:
- service: checkout
  name: Checkout
  owner: payments
  impact:
  - {when: 'alertname="CheckoutDown"', impact: major, affects: uses}
customers:
- {customer: acme, uses: [checkout], people: [{name: Ada, email: ada@acme.example}]}
teams:
- {team: payments, email: oncall@shop.example}
"""
# Whatever says in some form that all is well: words, a colour, a class.
WELL = re.compile(r"\boperational\b|\ball systems\b|everything works|#1a7f37|1a7f37", re.IGNORECASE)


def now(surface: Surface) -> str:
    """Return what a surface says of now: a page without its past, which is in tables and behind details.

    An update of an incident says how its service stood then, and one that is over has the colour of that.
    """
    if surface.kind != "html":
        return re.sub(r'"(?:old|new)_status": ?"\w+"', "", surface.text)
    html = re.sub(r'<section aria-labelledby="lately">.*?</section>', "", surface.text, flags=re.DOTALL)
    html = re.sub(r"<(style|script|details|table)\b.*?</\1>", "", html, flags=re.DOTALL)
    tags = parsed(html)
    marks = [value for _, name, value in tags.attributes if name in ("class", "href", "aria-label")]
    past = "incidents/" in surface.path or "history" in surface.path
    return " ".join((tags.words, *(() if past else marks)))


def judge(surface: Surface) -> None:
    surface.check()
    text = now(surface)
    assert not WELL.search(text), (surface.path, text)
    assert not re.search(r"\bs-operational\b|/static/operational\.svg", text), (surface.path, text)


def watchdog(host: str, service: str, lasts_s: float) -> dict[str, object]:
    words = {"beforehand_services": service, "beforehand_host": host}
    return {
        "labels": {"alertname": "Watchdog", "instance": host},
        "annotations": words,
        "endsAt": stamp(lasts_s),
    }


def silenced(folder: Path) -> Path:
    place = folder / "copy"
    place.mkdir()
    return town.write(folder, f"copy: {{to: {place}}}\n", catalogue_text=CATALOGUE)


def test_a_silent_agent_makes_its_service_unknown_on_every_surface(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    with Serving(silenced(tmp_path), tmp_path / "state") as desk:
        heard, silent = watchdog("web2", "search", 300), watchdog("web1", "checkout", 3)
        assert desk.post([heard, silent, alert()]).status == 200
        assert desk.post([alert(over=True, remedy="fixed")]).status == 200
        until(lambda: state_of(desk) == "unknown", "its silence is noticed", 30)
        found = {one.path: one for one in every(desk) if not one.path.startswith("/static/")}
        for surface in found.values():
            judge(surface)
        says(found)
        until(lambda: b"Status Unknown" in (place / "api/v2/status.json").read_bytes(), "the copy says so")
        for surface in copied(place):
            judge(surface)


def state_of(desk: Serving) -> str:
    summary = desk.ask("/api/v2/summary.json", public=True).json()
    assert summary["page"]["x_beforehand"]["confirmed"]
    return str(summary["components"][0]["x_beforehand"]["state"])


def says(found: dict[str, Surface]) -> None:
    """Check what each says instead."""
    for path in ("/api/v2/summary.json", "/api/v2/components.json"):
        [component] = json.loads(found[path].text)["components"]
        assert (component["status"], component["x_beforehand"]["state"]) == (
            "degraded_performance",
            "unknown",
        )
    status = json.loads(found["/api/v2/status.json"].text)["status"]
    assert status == {"indicator": "minor", "description": "Service Status Unknown"}
    for path in ("/badge.json", "/badge/checkout.json"):
        assert json.loads(found[path].text)["message"] == "unknown"
    for path in ("/badge.svg", "/badge/checkout.svg"):
        assert "unknown" in found[path].text
    [news] = [data for kind, data in told(found["/events"].text) if kind == "component"]
    assert (news["status"], news["x_beforehand"]["state"]) == ("degraded_performance", "unknown")
    for path in ("/", "/embed"):
        assert "s-unknown" in now(found[path])


STALE = replace(page(service()), maintenances=(UNDER_WAY,))


@pytest.mark.parametrize("heard_ms", [None, STALE.now_ms - CONFIRMED_FOR_MS - 1], ids=["never", "long ago"])
def test_a_page_that_no_agent_confirms_claims_nothing_anywhere(heard_ms: int | None, tmp_path: Path) -> None:
    view = replace(STALE, confirmed_ms=heard_ms)
    with served([*program_routes(lambda: view, lambda _: None)]) as programs:
        for path in (*(f"/api/v2/{name}" for name in FORMS), "/badge/checkout.svg", "/badge.json"):
            judge(Surface(path, programs.get(path).text))
        for path in ("/history.atom", "/history.rss", "/maintenance.ics"):
            judge(Surface(path, programs.get(path).text))
    with desk_with(view) as pages:
        for path in ("/", "/embed", "/history"):
            judge(Surface(path, pages.get(path).text))
    Snapshot(tmp_path).keep(honest(view))
    for surface in copied(tmp_path):
        judge(surface)


def test_one_unknown_among_many_is_not_outvoted() -> None:
    well = tuple(replace(service(), service=f"s{n}") for n in range(50))
    view = page(*well, replace(service(ServiceState.UNKNOWN), service="x"))
    with served([*program_routes(lambda: view, lambda _: None)]) as client:
        assert json.loads(client.get("/badge.json").text)["message"] == "unknown"
        found = json.loads(client.get("/api/v2/status.json").text)["status"]
    assert found == {"indicator": "minor", "description": "Service Status Unknown"}
