"""Services that tell of themselves: databases, caches, nginx, containers, mail, each by its own probe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from agent.discovery.finding import Findings, Listening, LocalSocket
from agent.discovery.services import MEMCACHED, MYSQL, POSTGRES, REDIS, SERVICES
from agent.discovery.suggestion import Item

_CLUSTER_BUS: Final = 10_000  # Redis' cluster listens at a second port, so much higher
_PGSQL: Final = re.compile(r".*/\.s\.PGSQL\.([0-9]{1,5})")
_ENGINES: Final = re.compile(r"/(var/)?run/((docker|podman/podman)\.sock|user/[0-9]+/podman/podman\.sock)")
_GRANTS_OF_POSTGRES: Final = (
    "First, in psql as its superuser: CREATE ROLE beforehand LOGIN; GRANT pg_monitor TO beforehand;",
    "Where pg_hba.conf says peer, name the role as the agent's user is named, and write user: beside target.",
)
_GRANTS_OF_MYSQL: Final = (
    "First, as its root: CREATE USER beforehand@localhost IDENTIFIED BY '...';",
    "GRANT REPLICATION CLIENT ON *.* TO beforehand@localhost; (in MariaDB SLAVE MONITOR)",
    "and write the password into a file, and password_file: beside target.",
)


def within(findings: Findings) -> Iterator[Item]:
    """Yield what each service that was found tells of itself."""
    yield from _nginx(findings)
    yield from _caches(findings, REDIS)
    yield from _caches(findings, MEMCACHED)
    yield from _postgres(findings)
    yield from _mysql(findings)
    yield from _containers(findings)
    yield from _postfix(findings)


def _nginx(findings: Findings) -> Iterator[Item]:
    for page in findings.status_pages:
        yield Item("nginx", {"target": page.url}, page.reason)
    if not findings.status_pages and any(one.name == "nginx" for one in findings.programs):
        yield Item(
            "nginx",
            {"target": "http://127.0.0.1:80/stub_status"},
            "nginx runs, and no stub_status was found in its configuration",
            active=False,
            first=(
                "First, in a server: location = /stub_status { stub_status; allow 127.0.0.1; deny all; }",
            ),
        )


def _caches(findings: Findings, kind: str) -> Iterator[Item]:
    """Yield the servers of a kind that takes anybody in: by port, or by socket where there is no port."""
    bound = _bound(findings, kind)
    for one in bound:
        if not any(other.port == one.port - _CLUSTER_BUS for other in bound):
            yield Item(kind, {"target": one.at}, one.reason)
    for end in _ends(findings, kind) if not bound else ():
        if end.takes:
            yield Item(kind, {"target": end.path}, end.reason)


def _bound(findings: Findings, kind: str) -> list[Listening]:
    return [one for one in findings.listening if one.program and SERVICES.get(one.program.name) == kind]


def _ends(findings: Findings, kind: str) -> list[LocalSocket]:
    """Return the sockets of a kind: by who listens, or by name where that may not be seen."""
    names = {REDIS: ("redis", "valkey"), MEMCACHED: ("memcached",), MYSQL: ("mysql", "mariadb")}.get(kind, ())
    return [
        one
        for one in findings.sockets
        if (
            SERVICES.get(one.program.name) == kind
            if one.program
            else PurePosixPath(one.path).name.startswith(names)
        )
    ]


def _postgres(findings: Findings) -> Iterator[Item]:
    ends = {int(shape[1]): one for one in findings.sockets if (shape := _PGSQL.fullmatch(one.path))}
    for port, end in ends.items():
        if end.takes:
            yield Item("unix", {"target": end.path}, f"{end.reason}; PostgreSQL takes connections there")
            yield _asked_postgres(end.path, end.reason)
        elif not any(one.port == port for one in _bound(findings, POSTGRES)):
            yield _asked_postgres(end.path, f"{end.reason}, which does not let this user in")
    for one in _bound(findings, POSTGRES):
        if one.port not in ends or not ends[one.port].takes:
            yield Item("tcp", {"target": one.at}, one.reason)
            yield _asked_postgres(one.at, one.reason)


def _asked_postgres(target: str, reason: str) -> Item:
    return Item("postgres", {"target": target}, reason, active=False, first=_GRANTS_OF_POSTGRES)


def _mysql(findings: Findings) -> Iterator[Item]:
    """Yield MySQL by its socket: it shuts out a host whose TCP connections often say nothing."""
    ends = _ends(findings, MYSQL)
    for end in ends:
        if end.takes:
            yield Item("unix", {"target": end.path}, f"{end.reason}; MySQL takes connections there")
        yield Item("mysql", {"target": end.path}, end.reason, active=False, first=_GRANTS_OF_MYSQL)
    for one in _bound(findings, MYSQL) if not ends else ():
        yield Item("mysql", {"target": one.at}, one.reason, active=False, first=_GRANTS_OF_MYSQL)


def _containers(findings: Findings) -> Iterator[Item]:
    for end in findings.sockets:
        if not _ENGINES.fullmatch(end.path):
            continue
        first = (
            () if end.takes else ("First, let the agent's user into the group that the socket belongs to.",)
        )
        reason = f"a container engine listens at {end.path}"
        yield Item("container", {"socket": end.path}, reason, active=end.takes, first=first)


def _postfix(findings: Findings) -> Iterator[Item]:
    if findings.spool is not None:
        takes = findings.spool.takes
        first = () if takes else ("First, let the agent's user into the group postdrop.",)
        yield Item(
            "postfix", {}, f"Postfix has its queue in {findings.spool.path}", active=takes, first=first
        )
