"""Programs that read status pages, from their registries, read ours: feeds, a calendar, and Statuspage's API.

``statuspage.io`` (npm, 3.3.8) asks for upcoming maintenance whatever it is told to ask for, and subscribes
with a GET. ``statuspage-prometheus-exporter`` (PyPI, 2.6.0) counts every component that is not operational.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from icalendar import Calendar
from prometheus_client.parser import text_string_to_metric_families

from tests.desk import town
from tests.desk.serving import ROOT, Serving, alert, until

MODULES = ROOT / ".venv" / "node_modules"
EXPORTER = Path(sys.executable).with_name("statuspage-prometheus-exporter")
READ = """
const {Statuspage} = require('statuspage.io');
const page = new Statuspage('x'); page.setApiUrl(process.argv[1]);
(async () => {
  const said = {};
  const ask = async (name, call) => {
    try { said[name] = await call; }
    catch (wrong) { said[name] = {refused: wrong.response?.status ?? String(wrong)}; }
  };
  await ask('summary', page.api.getSummary());
  await ask('status', page.api.getStatus());
  await ask('components', page.api.getComponents());
  await ask('all', page.api.incidents.getAll());
  await ask('unresolved', page.api.incidents.getUnresolved());
  await ask('upcoming', page.api.scheduledMaintenances.getUpcoming());
  await ask('active', page.api.scheduledMaintenances.getActive());
  await ask('subscribe', page.api.subscribers.createPageSubscription({email: 'a@b.example'}));
  console.log(JSON.stringify(said));
})();
"""
HOUR = timedelta(hours=1)
WORK = """\
maintenances:
- maintenance: move
  title: The database moves
  services: [checkout]
  start: {start}
  end: {end}
  impact: major
  notice: You will be signed out once.
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A desk with an incident and planned work, whose agent is heard."""
    folder = tmp_path_factory.mktemp("desk")
    start = datetime.now(UTC).replace(microsecond=0) + HOUR
    folder.joinpath("work.yaml").write_text(
        WORK.format(start=start.isoformat(), end=(start + HOUR).isoformat())
    )
    config_text = town.CONFIG.replace("hold: 60s", "hold: 0s") + "maintenance: [work.yaml]\n"
    with Serving(town.write(folder, config_text=config_text), folder / "state") as running:
        watchdog = {"alertname": "Watchdog", "instance": "web1"}
        assert running.post([{"labels": watchdog}, alert()]).status == 200
        until(lambda: bool(running.incidents()), "there is an incident")
        yield running


def test_a_reader_of_feeds_finds_the_incident_and_the_planned_work(desk: Serving) -> None:
    for path, version in (("/history.atom", "atom10"), ("/history.rss", "rss20")):
        found = feedparser.parse(desk.ask(path, public=True).body)
        assert (found.bozo, found.version) == (False, version), found.get("bozo_exception")
        assert {one.title for one in found.entries} == {"Checkout does not work", "The database moves"}


def test_a_calendar_finds_the_planned_work(desk: Serving) -> None:
    found: Any
    [found] = Calendar.from_ical(desk.ask("/maintenance.ics", public=True).body).walk("VEVENT")
    assert found["DTEND"].dt - found["DTSTART"].dt == HOUR
    assert "The database moves" in str(found["SUMMARY"])


@pytest.mark.needs("node")
def test_the_client_of_npm_reads_everything_and_subscribes_nobody(desk: Serving) -> None:
    if not (MODULES / "statuspage.io").is_dir():
        pytest.skip("needs statuspage.io of npm")
    said = node(READ, f"http://127.0.0.1:{desk.public}")
    assert said["summary"]["page"]["name"] == "Example Shop"
    assert said["status"]["status"] == {"indicator": "major", "description": "Partial System Outage"}
    states = {one["name"]: one["status"] for one in said["components"]["components"]}
    assert states == {"Checkout": "major_outage", "search": "operational"}
    assert [len(said[name]["incidents"]) for name in ("all", "unresolved")] == [1, 1]
    assert said["upcoming"] == said["active"]
    [work] = said["upcoming"]["scheduled_maintenances"]
    assert (work["name"], work["status"]) == ("The database moves", "scheduled")
    assert said["subscribe"] == {"refused": 405}


def node(script: str, *words: str) -> Any:
    program = shutil.which("node")
    assert program is not None
    environment = {"NODE_PATH": str(MODULES), "PATH": os.environ["PATH"]}
    argv = [program, "--eval", script, *words]
    found = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_the_exporter_of_pypi_counts_the_incident_and_the_planned_work(desk: Serving, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{desk.public}/api/v2/summary.json"
    services = tmp_path / "services.json"
    services.write_text(json.dumps({"shop": {"url": address, "name": "Shop"}}))
    written = tmp_path / "metrics.prom"
    more = {
        "SERVICES_JSON_PATH": services,
        "METRICS_TEXTFILE_PATH": written,
        "RUN_MODE": "once",
        "HOME": tmp_path,
    }
    environment = os.environ | {name: str(value) for name, value in more.items()}
    found = subprocess.run(
        [EXPORTER], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert found.returncode == 0, found.stderr
    told = {one.name: one.samples for one in text_string_to_metric_families(written.read_text())}
    [incident] = told["statuspage_incident_info"]
    assert incident.labels["incident_name"] == "Checkout does not work"
    assert (incident.labels["impact"], incident.labels["affected_components"]) == ("critical", "Checkout")
    assert incident.labels["shortlink"].startswith("http://127.0.0.1:9467/incidents/")
    [work] = told["statuspage_maintenance_info"]
    assert work.labels["maintenance_name"] == "The database moves"
    standing = {one.labels["component_name"]: one.value for one in told["statuspage_component_status"]}
    assert standing == {"Checkout": 0.0, "search": 1.0}
