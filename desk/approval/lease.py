"""May a playbook act on one host of a service now? Pure; every no comes with its sentence.

What no host can see alone is seen here: how many of its group are sick, how many are being worked on, and
what the service depends on. The defaults are those of large operators: one host in twenty at once and one in
ten seconds, nobody while three or more and at least 30 % fell sick within five minutes, since that has a
common cause, and never more than 40 % of a group sick or under repair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

LEASE_MS: Final = 10 * 60_000
APART_MS: Final = 10_000
COMMON_MS: Final = 5 * 60_000
COMMON_MIN: Final = 3
COMMON_PERCENT: Final = 30
FLOOR_PERCENT: Final = 60
SHARE_PERCENT: Final = 5
SMALL_GROUP: Final = 10
MEMBER_FORGOTTEN_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Request:
    """One host asks to be worked on; ``hosts_at_once`` is the playbook's own word, like ``2`` or ``10%``."""

    service: str
    instance: str
    playbook: str
    hosts_at_once: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A service's hosts as the desk knows them; times are ms since 1970 in UTC.

    ``members`` were heard of within a day, ``sick`` are those with a firing alert and since when, ``leased``
    those that are being worked on and since when. ``upstream`` names services that it depends on and that
    have an open incident.
    """

    members: frozenset[str] = frozenset()
    sick: Mapping[str, int] = field(default_factory=dict)
    leased: Mapping[str, int] = field(default_factory=dict)
    last_ms: int = 0
    upstream: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """The host may be worked on until then."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Denied:
    """Why not, as a sentence; ``page`` says that a person is needed, since waiting will not help."""

    reason: str
    retry_at_ms: int
    page: bool = False


def decide(request: Request, group: Group, now_ms: int) -> Granted | Denied:
    """Return whether this host may be worked on; who holds a lease already keeps it."""
    if request.instance in group.leased:
        return Granted(now_ms + LEASE_MS)
    size = len(group.members | {request.instance} | group.sick.keys())
    for denied in (
        _upstream(request, group, now_ms),
        _common_cause(request, group, size, now_ms),
        _floor(request, group, size, now_ms),
        _at_once(request, group, size, now_ms),
        _rate(group, now_ms),
    ):
        if denied is not None:
            return denied
    return Granted(now_ms + LEASE_MS)


def _upstream(request: Request, group: Group, now_ms: int) -> Denied | None:
    if not group.upstream:
        return None
    sentence = f"{request.service} depends on {', '.join(group.upstream)}, where an incident is open"
    return Denied(sentence, now_ms + 30_000)


def _common_cause(request: Request, group: Group, size: int, now_ms: int) -> Denied | None:
    """Nobody is healed one by one of what befell them together."""
    fresh = [host for host, since_ms in group.sick.items() if since_ms > now_ms - COMMON_MS]
    if len(fresh) < COMMON_MIN or 100 * len(fresh) < COMMON_PERCENT * size:
        return None
    sentence = f"{len(fresh)} of {size} hosts of {request.service} fell sick within five minutes"
    return Denied(f"{sentence}: a common cause is likely, and a human decides", now_ms + 60_000, page=True)


def _floor(request: Request, group: Group, size: int, now_ms: int) -> Denied | None:
    """Keep enough of a group untouched; the host that asks is sick already, so it is no loss."""
    others = (group.leased.keys() | group.sick.keys()) - {request.instance}
    if size < COMMON_MIN or 100 * (size - len(others) - 1) >= FLOOR_PERCENT * size:
        return None
    sentence = f"{len(others) + 1} of {size} hosts of {request.service} are sick or under repair"
    return Denied(f"{sentence}; {FLOOR_PERCENT} % must stay untouched", now_ms + 60_000, page=True)


def _at_once(request: Request, group: Group, size: int, now_ms: int) -> Denied | None:
    most = hosts_max(request.hosts_at_once, size)
    if len(group.leased) < most:
        return None
    hosts = ", ".join(sorted(group.leased)[:5])
    return Denied(
        f"{most} of {size} hosts of {request.service} may be worked on at once, now {hosts}", now_ms + 15_000
    )


def _rate(group: Group, now_ms: int) -> Denied | None:
    if now_ms - group.last_ms >= APART_MS:
        return None
    return Denied("another host was begun less than 10 s ago", group.last_ms + APART_MS)


def hosts_max(written: str, size: int) -> int:
    """Return how many hosts of a group of this size may be worked on at once, never none."""
    if written.endswith("%"):
        return max(1, size * int(written[:-1]) // 100)
    if written:
        return int(written)
    return 1 if size <= SMALL_GROUP else max(1, size * SHARE_PERCENT // 100)
