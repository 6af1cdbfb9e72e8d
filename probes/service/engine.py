"""The API of a container engine, Docker's or Podman's, over its unix socket: two questions, both read only.

https://docs.docker.com/reference/api/engine/ as of version 1.40, which Podman answers as well.
"""

from __future__ import annotations

import calendar
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.conversation import Address, Connect, Conversation
from probes.net.connect import Connection, Unhealthy
from probes.net.http_date import moment_s
from probes.net.response import HEAD_BYTES_MAX, Body, Bounds, read_body, read_head
from probes.service.wire import Refused, label, printable

CONTAINERS_MAX: Final = 500
LIST_BYTES_MAX: Final = 8 << 20
INSPECT_BYTES_MAX: Final = 1 << 20
_ID: Final = re.compile(r"[0-9a-f]{12,64}")
_MOMENT: Final = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_STATES: Final = (
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "stopping",
    "stopped",
    "exited",
    "dead",
)
_HEALTH: Final = {"healthy": 1, "unhealthy": 0, "starting": 2}


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine tells of it; times are seconds since 1970.

    ``health`` is 1 for healthy, 0 for unhealthy, 2 while it starts, and -1 without a health check.
    ``written_bytes`` is what it wrote in its own layer, where that was asked for.
    """

    id: str
    name: str
    image: str
    state: str
    pid: int = 0
    started_s: float | None = None
    exit_code: int = 0
    restarts: int = 0
    health: int = -1
    storage: str = ""
    written_bytes: int | None = None

    @property
    def running(self) -> bool:
        """True while its processes are there."""
        return self.state in ("running", "paused", "stopping") and self.pid > 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """All containers of one engine, and its clock, in seconds since 1970."""

    now_s: float
    containers: tuple[Container, ...]


def fleet(path: str, *, sizes: bool) -> Conversation[Fleet]:
    """Ask for every container; ``sizes`` lets the engine count what each wrote, which walks its files."""
    now_s, listed = yield from _asked(path, "/v1.40/containers/json?all=1", LIST_BYTES_MAX)
    if not isinstance(listed, list):
        raise Unhealthy("the engine's list of containers is none")
    if len(listed) > CONTAINERS_MAX:
        raise OverflowError(f"the engine has more than {CONTAINERS_MAX} containers")
    found: list[Container] = []
    for one in listed:
        known = text(one, "Id")
        if not _ID.fullmatch(known):
            raise Unhealthy("the engine's list names a container without an id")
        question = f"/v1.40/containers/{known}/json" + ("?size=1" if sizes else "")
        _, told = yield from _asked(path, question, INSPECT_BYTES_MAX)
        if told is not None:  # it may be gone by now
            found.append(container(told, text(one, "Image")))
    return Fleet(now_s, tuple(found))


def _asked(path: str, question: str, bytes_max: int) -> Conversation[tuple[float, object]]:
    """Return the engine's clock and its answer; None where there is no such thing."""
    connection = Connection(HEAD_BYTES_MAX + 2 * bytes_max)
    try:
        yield Connect(Address(socket.AF_UNIX, path))
    except PermissionError:
        raise Refused(f"this user may not open {path}; add it to the group that may") from None
    except OSError as wrong:
        raise Unhealthy(f"the connection failed: {wrong.strerror or wrong}") from None
    head_lines = (f"GET {question} HTTP/1.1", "host: engine", "user-agent: Beforehand", "connection: close")
    yield from connection.send("\r\n".join((*head_lines, "", "")).encode())
    head = yield from read_head(connection)
    body = Body()
    yield from read_body(connection, head, "GET", Bounds(bytes_max, bytes_max), body)
    if head.status == 404:
        return 0.0, None
    if head.status in (401, 403):
        raise Refused(f"the engine refuses, its status is {head.status}: {printable(bytes(body.data))}")
    if head.status != 200 or body.cut:
        raise Unhealthy(f"the engine's status is {head.status}" if not body.cut else "the answer is too long")
    now_s = moment_s(head.get("date"))
    if now_s is None:
        raise Unhealthy("the engine does not tell the time")
    try:
        return now_s, json.loads(body.data)
    except (ValueError, RecursionError):
        raise Unhealthy("the engine's answer is not JSON") from None


def container(told: object, image: str) -> Container:
    """Return the container that an answer tells of; what is missing in it, or odd, is left at nothing."""
    state = text(told, "State", "Status").lower()
    health = text(told, "State", "Health", "Status").lower()
    layer = _part(told, "SizeRw")
    return Container(
        id=text(told, "Id"),
        name=label(text(told, "Name").lstrip("/")),
        image=label(text(told, "Config", "Image") or image),
        state=state if state in _STATES else "unknown",
        pid=number(told, "State", "Pid"),
        started_s=moment(text(told, "State", "StartedAt")),
        exit_code=number(told, "State", "ExitCode"),
        restarts=number(told, "RestartCount"),
        health=_HEALTH.get(health, -1),
        storage=label(text(told, "GraphDriver", "Name") or text(told, "Driver")),
        written_bytes=layer if isinstance(layer, int) and layer >= 0 else None,
    )


def _part(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: object, *keys: str) -> str:
    """Return the text under these keys, or nothing."""
    part = _part(value, *keys)
    return part if isinstance(part, str) else ""


def number(value: object, *keys: str) -> int:
    """Return the whole number under these keys, or 0."""
    part = _part(value, *keys)
    return part if isinstance(part, int) and abs(part) < 1 << 53 else 0


def moment(said: str) -> float | None:
    """Return a time of RFC 3339 in seconds since 1970; None for the year 1, which stands for never."""
    found = _MOMENT.fullmatch(said)
    if found is None or found[1] < "1970":
        return None
    whole = calendar.timegm(tuple(int(found[at]) for at in range(1, 7)))
    offset_s = (int(found[9]) * 60 + int(found[10])) * 60 if found[8] else 0
    return whole + float(found[7] or 0) - (offset_s if found[8] == "+" else -offset_s)


def names(one: Container) -> Iterator[tuple[str, str]]:
    """Yield the labels that tell a container from others."""
    yield from (("id", one.id), ("name", one.name), ("image", one.image))
