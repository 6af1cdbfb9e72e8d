"""A real Prometheus posts to the desk: its alerts open an incident, hold it, end it, and lapse with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.desk import town
from tests.desk.clients.prometheus import RULES, WATCHDOG, prometheus, shop, within
from tests.desk.serving import Serving

pytestmark = [pytest.mark.needs("prometheus"), pytest.mark.timeout(180)]

IN_FORCE = town.CONFIG.replace("hold: 60s", "hold: 0s")


def alerts(desk: Serving) -> list[dict[str, Any]]:
    found = desk.ask("/api/v2/alerts").json()
    assert isinstance(found, list)
    return found


def state(desk: Serving) -> str:
    found = desk.incidents()
    return str(found[0]["state"]) if found else ""


def checkout(desk: Serving) -> str:
    summary = desk.ask("/api/v2/summary.json", public=True).json()
    [found] = [one for one in summary["components"] if one["name"] == "Checkout"]
    return str(found["x_beforehand"]["state"])


def test_its_alert_opens_an_incident_holds_it_open_and_its_end_ends_it(tmp_path: Path) -> None:
    config = town.write(tmp_path, config_text=IN_FORCE)
    with Serving(config, tmp_path / "state") as desk, shop() as target:
        with prometheus(tmp_path / "prometheus", target.port, desk.staff):
            target.up = 0
            within(lambda: len(desk.incidents()) == 1, "its alert opens an incident")
            [first] = alerts(desk)
            # What external_labels added was dropped, and a label was renamed, before it was sent.
            assert first["labels"] == {
                "alertname": "CheckoutDown",
                "instance": "web1",
                "job": "shop",
                "service": "checkout",
            }
            assert first["annotations"]["summary"] == "web1 is down"
            assert "/graph?g0.expr=checkout_up" in first["generatorURL"]
            # It says only for how long it may be believed; each time it is said again, for longer.
            within(lambda: alerts(desk)[0]["endsAt"] > first["endsAt"], "it is said again")
            assert alerts(desk)[0]["startsAt"] == first["startsAt"]
            assert state(desk) not in ("", "resolved")
            within(lambda: len(desk.incidents()[0]["told"]) == 3, "those who use it are told")
            target.up = 1
            within(lambda: state(desk) == "resolved", "its end ends the incident")
            assert alerts(desk) == []
        assert len(desk.incidents()) == 1


def test_the_alerts_of_one_that_is_killed_lapse_as_alertmanager_would_let_them(tmp_path: Path) -> None:
    config = town.write(tmp_path, config_text=IN_FORCE)
    with Serving(config, tmp_path / "state") as desk, shop() as target:
        with prometheus(tmp_path / "prometheus", target.port, desk.staff) as kill:
            target.up = 0
            within(lambda: state(desk) == "investigating", "its alert opens an incident")
            kill()
        within(lambda: alerts(desk) == [], "it is not believed past its end")
        within(lambda: state(desk) == "resolved", "nobody was said to watch, so the end is believed")
        assert checkout(desk) == "unknown"


def test_one_with_a_watchdog_is_missed_and_its_silence_is_not_taken_for_an_end(tmp_path: Path) -> None:
    config = town.write(tmp_path, config_text=IN_FORCE)
    with Serving(config, tmp_path / "state") as desk, shop() as target:
        watched = partial(prometheus, target=target.port, desk=desk.staff, rules=RULES + WATCHDOG)
        with watched(tmp_path / "prometheus") as kill:
            target.up = 0
            within(lambda: checkout(desk) == "major", "it is believed, for its Watchdog is heard")
            kill()
        # By now the desk may have an alert of its own, that nobody is heard there.
        within(lambda: not any(one["generatorURL"] for one in alerts(desk)), "what it said has lapsed")
        within(lambda: checkout(desk) == "unknown", "nobody knows how it stands")
        assert (state(desk), desk.incidents()[0]["sight_lost"]) == ("investigating", True)
        target.up = 1
        with watched(tmp_path / "again"):
            within(lambda: state(desk) == "resolved", "who is heard again does not say it any more")
            assert checkout(desk) == "operational"
