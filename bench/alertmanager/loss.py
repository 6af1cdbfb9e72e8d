"""What a kill -9 loses and doubles: the same script for every system, with a mail server that outlives it.

Each kill comes right after the last answer that promised something. Fresh silences and alerts are not sent
again: what is left of them is what was promised. Alerts of which everybody was told are, as Prometheus does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench.alertmanager.speed import alert
from bench.alertmanager.systems import System
from tests.e2e.patience import pause, until
from tests.e2e.post_office import PostOffice

SILENCES: Final = 50
ALERTS: Final = 20


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of what was answered 200: how many of how many are gone, or came twice."""

    system: str
    kill: str
    silences_lost: int
    alerts_lost: int
    notices_lost: int
    notices_doubled: int


def measure(system: System, post: PostOffice, *, all_nodes: bool, silences: int, alerts: int) -> Loss:
    """Run the script; ``all_nodes`` kills every node at once, as a power cut does, and not only the first."""
    killed = system.nodes if all_nodes else system.nodes[:1]
    lost_silences = _silences(system, killed, silences)
    lost_alerts, unheard = _fresh_alerts(system, killed, post, alerts)
    doubled = _told_alerts(system, killed, post, alerts)
    kill = "" if len(system.nodes) == 1 else "all killed" if all_nodes else "one killed"
    return Loss(system.name, kill, lost_silences, lost_alerts, unheard, doubled)


def _cut(killed: Sequence[Any]) -> None:
    for node in killed:
        node.process.kill()
    for node in killed:
        node.kill()
    for node in killed:
        node.start()


def _silences(system: System, killed: Sequence[Any], count: int) -> int:
    """Count the silences that were promised and are gone."""
    now = datetime.now(UTC)
    for number in range(count):
        matcher = {"name": "instance", "value": f"quiet{number}", "isRegex": False, "isEqual": True}
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
        words = {"createdBy": "bench", "comment": f"known {number}"}
        system.first.post("/api/v2/silences", {"matchers": [matcher], **times, **words})
    _cut(killed)
    pause(system.wait_s)
    return count - len({one["comment"] for one in system.first.read("/api/v2/silences")})


def _fresh_alerts(system: System, killed: Sequence[Any], post: PostOffice, count: int) -> tuple[int, int]:
    """Count the alerts that were promised and are gone, and those of which nobody ever heard."""
    fired = [_fired("fresh", number) for number in range(count)]
    system.tell(fired)
    _cut(killed)
    pause(system.wait_s)
    known = {one["labels"]["instance"] for one in system.first.read("/api/v2/alerts")}
    lost = sum(one["labels"]["instance"] not in known for one in fired)
    heard = _heard(post)
    return lost, sum(not heard[_person(number)] for number in range(count))


def _told_alerts(system: System, killed: Sequence[Any], post: PostOffice, count: int) -> int:
    """Count the people who are told twice of one thing: after a kill, the same alerts come again."""
    numbers = range(count, 2 * count)
    fired = [_fired("told", number) for number in numbers]
    system.tell(fired)
    people = [_person(number) for number in numbers]
    until(lambda: all(_heard(post)[one] for one in people), 60, f"{system.name} tells everybody")
    _cut(killed)
    system.tell(fired)
    pause(system.wait_s)
    heard = _heard(post)
    return sum(heard[one] > 1 for one in people)


def _fired(name: str, number: int) -> dict[str, Any]:
    now_s = int(time.time())
    service = {"service": f"s{number}"}
    return alert(name, number, starts_s=now_s - 5, ends_s=now_s + 3_600, **service)


def _person(number: int) -> str:
    """Name the one person who uses a service, without what the systems put around it."""
    return f"s{number}"


def _heard(post: PostOffice) -> Counter[str]:
    """Count what each person was sent: ours writes to p7-0, Alertmanager to s7."""
    names = (to.partition("@")[0].partition("-")[0] for letter in post.letters for to in letter.recipients)
    return Counter(f"s{name[1:]}" for name in names)
