"""Memcached: what ``stats`` tells of one server, in memcached_exporter's names.

The protocol is the classic text protocol (memcached's doc/protocol.txt).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.connect import Unhealthy
from probes.service.wire import Refused, Server, connected, label, printable, told

ANSWER_BYTES_MAX: Final = 1 << 18
LOCAL: Final = Server.parse("127.0.0.1:11211")
LINES_MAX: Final = 1024
_NUMBER: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,9})?")

UP = Metric("memcached_up", "1 if the server answered.")
VERSION = Metric("memcached_version", "The version of the server; always 1.", labels=("version",))
COMMANDS = Metric(
    "memcached_commands_total",
    "Commands carried out, by what came of them.",
    "counter",
    ("command", "status"),
)
FIELDS: Final[Mapping[str, Metric]] = {
    "uptime": Metric("memcached_uptime_seconds", "Since the server started."),
    "curr_connections": Metric("memcached_current_connections", "Connections that are open."),
    "max_connections": Metric("memcached_max_connections", "How many connections may be open."),
    "total_connections": Metric("memcached_connections_total", "Connections taken.", "counter"),
    "rejected_connections": Metric(
        "memcached_connections_rejected_total", "Connections turned away at the limit.", "counter"
    ),
    "listen_disabled_num": Metric(
        "memcached_connections_listener_disabled_total",
        "How often no connection was taken because the limit was reached.",
        "counter",
    ),
    "bytes": Metric("memcached_current_bytes", "Bytes that the items take."),
    "limit_maxbytes": Metric("memcached_limit_bytes", "How many bytes items may take."),
    "curr_items": Metric("memcached_current_items", "Items that are stored."),
    "total_items": Metric("memcached_items_total", "Items ever stored.", "counter"),
    "evictions": Metric("memcached_items_evicted_total", "Items dropped to make room.", "counter"),
    "reclaimed": Metric("memcached_items_reclaimed_total", "Items stored over an expired one.", "counter"),
    "bytes_read": Metric("memcached_read_bytes_total", "Bytes received.", "counter"),
    "bytes_written": Metric("memcached_written_bytes_total", "Bytes sent.", "counter"),
}
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "get_hits": ("get", "hit"),
    "get_misses": ("get", "miss"),
    "delete_hits": ("delete", "hit"),
    "delete_misses": ("delete", "miss"),
    "incr_hits": ("incr", "hit"),
    "incr_misses": ("incr", "miss"),
    "cas_hits": ("cas", "hit"),
    "cas_misses": ("cas", "miss"),
    "touch_hits": ("touch", "hit"),
    "touch_misses": ("touch", "miss"),
    "cmd_flush": ("flush", "hit"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask: ``target`` is host:port or the path of a unix socket."""

    target: Server = LOCAL


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the server tells; one that is down is ``memcached_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    with connected(options.target, deadline, ANSWER_BYTES_MAX) as wire:
        wire.send(b"stats\r\n")
        fields: dict[str, str] = {}
        for _ in range(LINES_MAX):
            line = wire.until(b"\r\n").decode("utf-8", "replace")
            if line == "END":
                break
            word, _, rest = line.partition(" ")
            if word == "CLIENT_ERROR":
                raise Refused(f"the server refuses stats: {printable(rest)}")
            if word != "STAT":
                raise Unhealthy(f"the server does not speak memcached's protocol: {line[:40]!a}")
            name, _, value = rest.partition(" ")
            fields[name] = value
        else:
            raise Unhealthy("the server tells without end")
    yield from samples(fields)


def samples(fields: Mapping[str, str]) -> Iterator[Sample]:
    """Yield what the fields of ``stats`` tell."""
    yield VERSION(1, version=label(fields.get("version", "")))
    for name, metric in FIELDS.items():
        if _NUMBER.fullmatch(fields.get(name, "")):
            yield metric(float(fields[name]))
    for name, (command, status) in _COMMANDS.items():
        if _NUMBER.fullmatch(fields.get(name, "")):
            yield COMMANDS(float(fields[name]), command=command, status=status)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe(
    "memcached", Options, run, (UP, VERSION, COMMANDS, *FIELDS.values()), job="memcached", target=_target
)
