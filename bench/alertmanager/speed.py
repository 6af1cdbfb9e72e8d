"""What it costs to take an alert: accepted alerts for each second of the server's CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bench.alertmanager.systems import Node
from bench.alertmanager.wire import Connection, request

SIZES: Final = (1, 100, 1_000)
CLIENTS: Final = 32
LASTS_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Speed:
    """One size of batch: alerts accepted for each CPU second of the server, and each second."""

    size: int
    repeated: bool
    per_cpu_s: float
    per_s: float


def measure(node: Node, count_of: dict[int, int]) -> list[Speed]:
    """Post new alerts in batches of each size, then the same again, as a client does every minute."""
    found: list[Speed] = []
    for size, count in count_of.items():
        for again in (False, True):
            now_s = int(time.time())
            alerts = [
                alert(f"b{size}", n, starts_s=now_s - 300, ends_s=now_s + LASTS_S + 15 * again)
                for n in range(count)
            ]
            found.append(_run(node, [alerts[n : n + size] for n in range(0, count, size)], again))
    return found


def alert(name: str, number: int, *, starts_s: int, ends_s: int, **labels: str) -> dict[str, Any]:
    """Return an alert as Prometheus posts it."""
    own = {"alertname": name, "instance": f"host{number}:9100", "job": "node", "severity": "warning"}
    return {
        "labels": {**own, "number": str(number), **labels},
        "annotations": {"summary": f"Something is wrong on host{number}", "description": "More than 90 %."},
        "startsAt": stamp(starts_s),
        "endsAt": stamp(ends_s),
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
    }


def stamp(at_s: int) -> str:
    """Return a time as RFC 3339 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


def _run(node: Node, batches: Sequence[list[dict[str, Any]]], again: bool) -> Speed:
    wires = [request(node.port, "/api/v2/alerts", json.dumps(batch).encode()) for batch in batches]
    count = sum(map(len, batches))
    cpu_s, from_s = node.cpu_s(), time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(partial(_post, node.port), [wires[n::CLIENTS] for n in range(CLIENTS)]))
    took_s, used_s = time.monotonic() - from_s, node.cpu_s() - cpu_s
    return Speed(len(batches[0]), again, count / used_s, count / took_s)


def _post(port: int, wires: Sequence[bytes]) -> None:
    with Connection(port) as connection:
        for wire in wires:
            status, body = connection.send(wire)
            assert status == 200, (status, body[:300])
