"""A real desk with ten thousand readers of one service: from the alert to the last first notice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from bench.delivery.sink import sink
from tests.desk.serving import Serving

PATIENCE_S: Final = 180.0
LOOK_S: Final = 0.5
HOUSEHOLD: Final = 20
CONFIG: Final = """\
name: Example
url: http://127.0.0.1:9467
listen: 127.0.0.1:0
public: 127.0.0.1:0
catalogue: [catalogue.yaml]
smtp: {{host: 127.0.0.1, port: {port}, from: "Example <status@example.com>"}}
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """From the firing of the alert to the word of the mail server, in ms, over ``people`` first notices."""

    people: int
    p50_ms: int
    p90_ms: int
    p99_ms: int
    answered_ms: int  # until the desk had everything on disk and said so


def measure(people: int, folder: Path) -> Waits:
    """Run a desk of its own that mails to a sink, and read the waits from its ledger."""
    with sink() as port:
        (folder / "catalogue.yaml").write_text(_catalogue(people))
        config = folder / "desk.yaml"
        config.write_text(CONFIG.format(port=port))
        with Serving(config, folder / "state") as desk:
            return _waits(desk, people)


def _waits(desk: Serving, people: int) -> Waits:
    fired = time.time()
    answer = desk.post([_alert(fired)])
    answered_ms = round((time.time() - fired) * 1000)
    assert answer.status == 200, answer.text
    end_s = time.monotonic() + PATIENCE_S
    while _told(desk) < people:
        assert time.monotonic() < end_s, f"only {_told(desk)} of {people} were told"
        time.sleep(LOOK_S)
    assert desk.post([_alert(fired, over=True)]).status == 200
    found: Any = desk.ask("/api/v1/ledger").json()
    total = found["time_to_inform"]["total"]
    assert total["n"] == people, total
    return Waits(people, total["p50_ms"], total["p90_ms"], total["p99_ms"], answered_ms)


def _told(desk: Serving) -> int:
    families = text_string_to_metric_families(desk.ask("/metrics").text)
    return sum(
        int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "beforehand_notice_seconds_count" and sample.labels["stage"] == "total"
    )


def _alert(fired: float, *, over: bool = False) -> dict[str, object]:
    labels = {"alertname": "ShopDown", "service": "shop", "instance": "web1"}
    times = {"startsAt": _stamp(fired), "endsAt": _stamp(time.time() if over else fired + 600)}
    return {"labels": labels, "annotations": {"beforehand_onset_ms": str(round(fired * 1000))}, **times}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _catalogue(people: int) -> str:
    lines = [
        "services:",
        "- service: shop",
        "  shows: ['service=\"shop\"']",
        "  impact: [{when: 'alertname=\"ShopDown\"', impact: major, affects: uses}]",
        "customers:",
    ]
    for start in range(0, people, HOUSEHOLD):
        lines += [f"- customer: c{start // HOUSEHOLD}", "  uses: [shop]", "  people:"]
        mine = range(start, min(start + HOUSEHOLD, people))
        lines += [f"  - {{name: P{number}, email: p{number}@acme.example}}" for number in mine]
    return "\n".join(lines) + "\n"
