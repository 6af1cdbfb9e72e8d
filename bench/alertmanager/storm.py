"""A storm: many alerts in a minute, then one service that comes and goes; what is kept, said and held."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.alertmanager.speed import alert
from bench.alertmanager.systems import System
from bench.alertmanager.wire import Connection, request
from tests.e2e.patience import pause
from tests.e2e.post_office import PostOffice

SERVICES: Final = 60
NOWHERE: Final = 0  # so many services that alerts of none of them belong to any
PEOPLE: Final = 5
BATCH: Final = 100
TEAM: Final = "staff@example.com"


@dataclass(frozen=True, slots=True)
class Storm:
    """What was accepted and what of it is there after a kill; messages to one person; memory in MB.

    ``spread`` is over how many services, each alert from a host of its own; ``cpu_s`` is what the storm took
    of the system's processor, without the flaps.
    """

    system: str
    spread: int
    alerts: int
    seconds: float
    cpu_s: float
    lost: int
    messages_most: int  # to one person; the team on call is counted by itself
    messages_all: int
    messages_team: int
    flaps: int
    flap_s: float
    flap_messages_most: int
    memory_before_mb: float
    memory_most_mb: float


def measure(
    system: System, post: PostOffice, alerts: int, storm_s: float, flaps: int, flap_s: float, spread: int
) -> Storm:
    """Send the storm and the flaps, kill the system, and count."""
    node = system.first
    before_cpu_s = node.cpu_s()
    before_mb = most_mb = node.memory_mb()
    now_s = int(time.time())
    from_s = time.monotonic()
    with Connection(node.port) as connection:
        for start in range(0, alerts, BATCH):
            # As fast as the storm is to be, or as fast as it is taken.
            pause(max(0.0, from_s + storm_s * start / alerts - time.monotonic()))
            body = [_blown(number, now_s, spread) for number in range(start, min(alerts, start + BATCH))]
            status, answer = connection.send(request(node.port, "/api/v2/alerts", json.dumps(body).encode()))
            assert status == 200, (status, answer[:300])
            most_mb = max(most_mb, node.memory_mb())
        took_s = time.monotonic() - from_s
        pause(system.wait_s)
        cpu_s = node.cpu_s() - before_cpu_s
        storm_heard = _heard(post)
        _flap(connection, flaps, flap_s)
    most_mb = max(most_mb, node.memory_mb())
    pause(system.wait_s)
    heard = _heard(post)
    node.kill()
    node.start()
    return Storm(
        system.name,
        spread,
        alerts,
        took_s,
        cpu_s,
        alerts - _kept(system),
        max(storm_heard.values(), default=0),
        storm_heard.total(),
        _told(post, TEAM),
        flaps,
        flap_s,
        max((heard - storm_heard).values(), default=0),
        before_mb,
        most_mb,
    )


def _blown(number: int, now_s: int, spread: int) -> dict[str, Any]:
    service = f"s{number % spread}" if spread else "nobody's"
    return alert("storm", number, starts_s=now_s - 60, ends_s=now_s + 3_600, service=service)


def _flap(connection: Connection, flaps: int, flap_s: float) -> None:
    """Have one alert of a service of its own end and come again so often in this time."""
    service = f"s{SERVICES}"
    for number in range(flaps):
        for over in (False, True):
            now_s = time.time()
            one = alert("flap", 0, starts_s=int(now_s) - 1, ends_s=int(now_s) + 3_600, service=service)
            if over:
                one["endsAt"] = _exact(now_s)
            one["startsAt"] = _exact(now_s - 0.2)
            body = json.dumps([one]).encode()
            assert connection.post("/api/v2/alerts", body)[0] == 200, number
            pause(flap_s / flaps / 2)


def _exact(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s % 1 * 1000):03}Z"


def _kept(system: System) -> int:
    """Count the alerts of the storm that are there after the kill."""
    if system.ours:
        state = Path(system.first.argv[-1]) / "desk.sqlite"
        with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as store:
            return int(
                store.execute("SELECT count(*) FROM alert WHERE labels LIKE '%\"storm\"%'").fetchone()[0]
            )
    return sum(one["labels"]["alertname"] == "storm" for one in system.first.read("/api/v2/alerts"))


def _heard(post: PostOffice) -> Counter[str]:
    return Counter(to for letter in post.letters for to in letter.recipients if to != TEAM)


def _told(post: PostOffice, to: str) -> int:
    return sum(to in letter.recipients for letter in post.letters)
