"""Redis and Valkey: what INFO tells of one server, in redis_exporter's names.

The protocol is RESP 2 (https://redis.io/docs/latest/develop/reference/protocol-spec/). Two commands are sent
that read and nothing else; where CONFIG may not be used, the limit of clients is taken from INFO.
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
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.service.wire import Refused, Server, Wire, connected, label, printable, read_secret, told

ANSWER_BYTES_MAX: Final = 1 << 20
LOCAL: Final = Server.parse("127.0.0.1:6379")
DATABASES_MAX: Final = 64
REPLICAS_MAX: Final = 64
ERRORS_MAX: Final = 32
_DEPTH_MAX: Final = 4
_ITEMS_MAX: Final = 1024
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?")
_INTEGER: Final = re.compile(rb"-?[0-9]{1,18}")
_PAIRS: Final = re.compile(r"([a-z_]{1,40})=([^,]{0,256})")
# A script may answer with a word of its own, so that only those that look like Redis' own are told.
_ERROR: Final = re.compile(r"errorstat_([A-Z]{1,16})")
_REFUSALS: Final = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "ERR invalid password", "ERR Client sent AUTH")

UP = Metric("redis_up", "1 if the server answered.")
INSTANCE = Metric(
    "redis_instance_info",
    "What the server is; always 1.",
    labels=("role", "redis_version", "redis_mode", "os"),
)
MASTER_LINK_UP = Metric(
    "redis_master_link_up",
    "1 while a replica is connected to its master.",
    labels=("master_host", "master_port"),
)
MASTER_SYNC = Metric(
    "redis_master_sync_in_progress",
    "1 while a replica takes over its master's data.",
    labels=("master_host", "master_port"),
)
MASTER_LAST_IO = Metric(
    "redis_master_last_io_seconds",
    "Since a replica last heard of its master; -1 while the link is down.",
    labels=("master_host", "master_port"),
)
_REPLICA: Final = ("slave_ip", "slave_port", "slave_state")
REPLICA_LAG = Metric("redis_connected_slave_lag_seconds", "Since the replica last reported.", labels=_REPLICA)
REPLICA_OFFSET = Metric(
    "redis_connected_slave_offset_bytes", "How far in the stream the replica is.", labels=_REPLICA
)
DB_KEYS = Metric("redis_db_keys", "Keys in the database.", labels=("db",))
DB_EXPIRING = Metric("redis_db_keys_expiring", "Keys in the database that will expire.", labels=("db",))
MAX_CLIENTS = Metric("redis_config_maxclients", "How many clients may be connected at once.")
ERRORS = Metric("redis_errors_total", "Commands that it answered with this error.", "counter", ("err",))


def _metric(name: str, told_as: str) -> Metric:
    return Metric(f"redis_{name}", told_as, "counter" if name.endswith("_total") else "gauge")


FIELDS: Final[Mapping[str, Metric]] = {
    "uptime_in_seconds": _metric("uptime_in_seconds", "Since the server started."),
    "connected_clients": _metric("connected_clients", "Clients that are connected, replicas not counted."),
    "blocked_clients": _metric("blocked_clients", "Clients that wait in a blocking command."),
    "used_memory": _metric("memory_used_bytes", "Memory that the server allocated."),
    "used_memory_rss": _metric("memory_used_rss_bytes", "Memory of the server as the system counts it."),
    "used_memory_peak": _metric("memory_used_peak_bytes", "The most memory that was ever allocated."),
    "used_memory_dataset": _metric("memory_used_dataset_bytes", "Memory that the data take."),
    "maxmemory": _metric("memory_max_bytes", "The limit of memory; 0 for none."),
    "mem_fragmentation_ratio": _metric("mem_fragmentation_ratio", "Resident memory for each byte allocated."),
    "total_system_memory": _metric("total_system_memory_bytes", "Memory of the host."),
    "loading": _metric("loading_dump_file", "1 while data are loaded after a start."),
    "rdb_changes_since_last_save": _metric("rdb_changes_since_last_save", "Changes not in a snapshot yet."),
    "rdb_bgsave_in_progress": _metric("rdb_bgsave_in_progress", "1 while a snapshot is written."),
    "rdb_last_save_time": _metric(
        "rdb_last_save_timestamp_seconds", "When the last snapshot was complete, since 1970."
    ),
    "rdb_last_bgsave_status": _metric("rdb_last_bgsave_status", "1 if the last snapshot was a success."),
    "rdb_last_bgsave_time_sec": _metric(
        "rdb_last_bgsave_duration_sec", "How many seconds the last snapshot took; -1 without one."
    ),
    "aof_enabled": _metric("aof_enabled", "1 if each write is logged to a file."),
    "aof_rewrite_in_progress": _metric("aof_rewrite_in_progress", "1 while that file is rewritten."),
    "aof_last_bgrewrite_status": _metric("aof_last_bgrewrite_status", "1 if its last rewrite was a success."),
    "aof_last_write_status": _metric("aof_last_write_status", "1 if the last write to it was a success."),
    "aof_current_size": _metric("aof_current_size_bytes", "How long that file is."),
    "aof_delayed_fsync": _metric("aof_delayed_fsync", "How often a sync of that file was late."),
    "total_connections_received": _metric("connections_received_total", "Connections taken."),
    "total_commands_processed": _metric("commands_processed_total", "Commands carried out."),
    "total_net_input_bytes": _metric("net_input_bytes_total", "Bytes received."),
    "total_net_output_bytes": _metric("net_output_bytes_total", "Bytes sent."),
    "rejected_connections": _metric("rejected_connections_total", "Connections turned away at the limit."),
    "expired_keys": _metric("expired_keys_total", "Keys whose time was over."),
    "evicted_keys": _metric("evicted_keys_total", "Keys dropped to stay within the limit of memory."),
    "keyspace_hits": _metric("keyspace_hits_total", "Reads that found their key."),
    "keyspace_misses": _metric("keyspace_misses_total", "Reads that did not."),
    "pubsub_channels": _metric("pubsub_channels", "Channels that somebody listens to."),
    "latest_fork_usec": _metric("latest_fork_usec", "How many microseconds the last fork took."),
    "connected_slaves": _metric("connected_slaves", "Replicas that are connected."),
    "repl_backlog_size": _metric("replication_backlog_bytes", "What a replica may miss without a full copy."),
    "master_repl_offset": _metric("master_repl_offset", "How far the stream to the replicas is."),
    "slave_repl_offset": _metric("slave_repl_offset", "How far a replica is in its master's stream."),
    "cluster_enabled": _metric("cluster_enabled", "1 if the server is part of a cluster."),
    "used_cpu_sys": _metric("cpu_sys_seconds_total", "CPU time in the kernel."),
    "used_cpu_user": _metric("cpu_user_seconds_total", "CPU time outside of the kernel."),
}
"""INFO's fields that are one number, or ``ok`` for 1 and ``err`` for 0."""

EMITS: Final = (
    UP, INSTANCE, MASTER_LINK_UP, MASTER_SYNC, MASTER_LAST_IO, REPLICA_LAG, REPLICA_OFFSET,
    DB_KEYS, DB_EXPIRING, MAX_CLIENTS, ERRORS, *FIELDS.values(),
)  # fmt: skip  # what is not in the table first


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask, and as whom.

    ``target`` is host:port or the path of a unix socket. The first line of ``password_file`` is the password;
    ``username`` is needed only where the server has users (ACL). With ``tls`` the certificate is judged as
    ``tls_config`` says.
    """

    target: Server = LOCAL
    username: str = ""
    password_file: str = ""
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST


class Complaint(str):
    """An error that the server answered a command with."""

    __slots__ = ()


Reply = Complaint | bytes | int | None | list["Reply"]


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the server tells; one that is down, or turns clients away, is ``redis_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    password = read_secret(options.password_file)
    with connected(options.target, deadline, ANSWER_BYTES_MAX) as wire:
        if options.tls:
            wire.start_tls(options.target.host, options.tls_config)
        if password:
            user = (options.username.encode(),) if options.username else ()
            _answer(wire, b"AUTH", *user, password)
        info = _answer(wire, b"INFO")
        limit = _asked(wire, b"CONFIG", b"GET", b"maxclients")
    if not isinstance(info, bytes):
        raise Unhealthy("the answer to INFO is not a text")
    fields = parse_info(info.decode("utf-8", "replace"))
    if "redis_version" not in fields and "valkey_version" not in fields:
        raise Unhealthy("the answer to INFO tells of no Redis")
    yield from samples(fields)
    yield from _max_clients(limit, fields)


def command(*words: bytes) -> bytes:
    """Return one command as an array of texts."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _asked(wire: Wire, *words: bytes) -> Reply:
    wire.send(command(*words))
    return read_reply(wire)


def _answer(wire: Wire, *words: bytes) -> Reply:
    """Return the answer to a command; an error in its place ends the run."""
    reply = _asked(wire, *words)
    if isinstance(reply, Complaint):
        if reply.startswith(_REFUSALS):
            raise Refused(f"the server refuses {words[0].decode()}: {printable(reply)}")
        raise Unhealthy(f"the server answers {words[0].decode()} with {printable(reply)}")
    return reply


def read_reply(wire: Wire, depth: int = 0) -> Reply:
    """Return the next answer, or raise ``Unhealthy`` where it is not RESP 2."""
    line = wire.until(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        return Complaint(rest.decode("utf-8", "replace"))
    if kind not in (b":", b"$", b"*") or not _INTEGER.fullmatch(rest):
        raise Unhealthy(f"the server does not speak Redis' protocol: {line[:40]!a}")
    number = int(rest)
    if kind == b":":
        return number
    if number < 0:
        return None
    if kind == b"$":
        return wire.exactly(number + 2)[:-2]
    if number > _ITEMS_MAX or depth >= _DEPTH_MAX:
        raise Unhealthy("the server answers with too long a list")
    return [read_reply(wire, depth + 1) for _ in range(number)]


def parse_info(text: str) -> dict[str, str]:
    """Return INFO's fields; what is no field is passed over."""
    pairs = (line.partition(":") for line in text.split("\r\n") if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def number(text: str) -> float | None:
    """Return a field's number, or None where it is none."""
    if text in ("ok", "err"):
        return float(text == "ok")
    return float(text) if _NUMBER.fullmatch(text) else None


def samples(fields: Mapping[str, str]) -> Iterator[Sample]:
    """Yield what the fields of INFO tell."""
    for name, metric in FIELDS.items():
        value = number(fields.get(name, ""))
        if value is not None:
            yield metric(value)
    version = fields.get("redis_version", "") or fields.get("valkey_version", "")
    yield INSTANCE(
        1,
        role=label(fields.get("role", "")),
        redis_version=label(version),
        redis_mode=label(fields.get("redis_mode", "")),
        os=label(fields.get("os", "")),
    )
    if "master_host" in fields:
        yield from _of_master(fields)
    yield from _errors(fields)
    for at in range(REPLICAS_MAX):
        yield from _of_replica(dict(_PAIRS.findall(fields.get(f"slave{at}", ""))))
    for at in range(DATABASES_MAX):
        told_of = dict(_PAIRS.findall(fields.get(f"db{at}", "")))
        for metric, key in ((DB_KEYS, "keys"), (DB_EXPIRING, "expires")):
            value = number(told_of.get(key, ""))
            if value is not None:
                yield metric(value, db=f"db{at}")


def _errors(fields: Mapping[str, str]) -> Iterator[Sample]:
    """Yield how often each error was answered; of more than ``ERRORS_MAX`` the first, OOM in any case."""
    known = [found[1] for name in fields if (found := _ERROR.fullmatch(name))]
    for word in sorted(known, key=lambda word: word != "OOM")[:ERRORS_MAX]:
        value = number(dict(_PAIRS.findall(fields[f"errorstat_{word}"])).get("count", ""))
        if value is not None:
            yield ERRORS(value, err=word)


def _of_master(fields: Mapping[str, str]) -> Iterator[Sample]:
    host, port = label(fields["master_host"]), label(fields.get("master_port", ""))
    yield MASTER_LINK_UP(fields.get("master_link_status") == "up", master_host=host, master_port=port)
    for metric, name in (
        (MASTER_SYNC, "master_sync_in_progress"),
        (MASTER_LAST_IO, "master_last_io_seconds_ago"),
    ):
        value = number(fields.get(name, ""))
        if value is not None:
            yield metric(value, master_host=host, master_port=port)


def _of_replica(replica: Mapping[str, str]) -> Iterator[Sample]:
    for metric, key in ((REPLICA_LAG, "lag"), (REPLICA_OFFSET, "offset")):
        value = number(replica.get(key, ""))
        if value is not None:
            yield metric(
                value,
                slave_ip=replica.get("ip", ""),
                slave_port=replica.get("port", ""),
                slave_state=replica.get("state", ""),
            )


def _max_clients(limit: Reply, fields: Mapping[str, str]) -> Iterator[Sample]:
    said = limit[1] if isinstance(limit, list) and len(limit) == 2 else None
    value = number(
        said.decode("utf-8", "replace") if isinstance(said, bytes) else fields.get("maxclients", "")
    )
    if value is not None:
        yield MAX_CLIENTS(value)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("redis", Options, run, EMITS, job="redis", target=_target)
