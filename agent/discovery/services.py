"""The services that discovery knows by the names of their programs, and the ports that they are found at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

WEB: Final = "web"
REDIS: Final = "redis"
MEMCACHED: Final = "memcached"
POSTGRES: Final = "postgres"
MYSQL: Final = "mysql"

_PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    WEB: ("nginx", "apache2", "httpd", "caddy", "haproxy", "lighttpd", "traefik", "envoy", "varnishd"),
    REDIS: ("redis-server", "valkey-server", "keydb-server"),
    MEMCACHED: ("memcached",),
    POSTGRES: ("postgres", "postmaster"),
    MYSQL: ("mysqld", "mariadbd"),
    "ssh": ("sshd",),
    "mail": ("master", "exim4", "dovecot", "cyrmaster"),
    "dns": ("named", "dnsmasq", "unbound", "systemd-resolve", "pdns_server"),
    "directory": ("slapd",),
    "queue": ("beam.smp", "mosquitto"),
    "document store": ("mongod",),
    "files": ("smbd", "rpcbind", "rpc.statd", "rpc.mountd", "rsync"),
}
SERVICES: Final[Mapping[str, str]] = {name: kind for kind, names in _PROGRAMS.items() for name in names}
"""Which service a program is, by its name as the kernel tells it."""

USUAL_PORTS: Final[Mapping[int, tuple[str, ...]]] = {
    22: _PROGRAMS["ssh"],
    25: _PROGRAMS["mail"],
    53: _PROGRAMS["dns"],
    80: _PROGRAMS[WEB],
    443: _PROGRAMS[WEB],
    3306: _PROGRAMS[MYSQL],
    5432: _PROGRAMS[POSTGRES],
    6379: _PROGRAMS[REDIS],
    11211: _PROGRAMS[MEMCACHED],
}
"""Whose port it is where this user may not see who listens."""

NOT_HTTP_PORTS: Final = frozenset(
    {
        21, 22, 23, 25, 53, 88, 110, 111, 119, 139, 143, 389, 445, 464, 465, 514, 515, 543, 544, 587, 636,
        646, 853, 873, 993, 995, 1433, 1521, 1883, 2049, 2181, 3306, 3389, 4369, 5222, 5269, 5432, 5433, 5671,
        5672, 5900, 6379, 6380, 6432, 8883, 9042, 9092, 10809, 11211, 26379, 27017,
    }
)  # fmt: skip  # as few lines as may be
"""Where a question in HTTP would only fill a log."""

NO_GROUP: Final = frozenset(
    {"systemd", "init", "docker-proxy", "rootlessport", "conmon", "sshd-session", "inetd"}
)
"""Programs that hold a socket for others, and would be no group of their own."""

INTERPRETER: Final = re.compile(r"(python|node|java|ruby|perl|php|bash|dotnet|deno|bun)[0-9.]*")
"""A program whose name says nothing of what it runs."""
