"""MySQL and MariaDB: what the server tells of itself, in mysqld_exporter's names.

One session for each run, as an application would open it: that none can be had is what this probe is there
to find. Three SHOW statements are sent, which read and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.duration import seconds
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.service.mywire import Login, Row, Session, session
from probes.service.wire import Server, label, read_secret, told

LOCAL: Final = Server.parse("127.0.0.1:3306")
SOURCES_MAX: Final = 64
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,12})?")
_WORDS: Final = {
    "on": 1.0,
    "yes": 1.0,
    "primary": 1.0,
    "off": 0.0,
    "no": 0.0,
    "connecting": 0.0,
    "disconnected": 0.0,
}
_SINCE_REPLICA: Final = (8, 0, 22)
_VERSION: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")

UP = Metric("mysql_up", "1 if the server answered.")
VERSION = Metric(
    "mysql_version_info",
    "What the server is; always 1.",
    labels=("version", "version_comment", "innodb_version"),
)
COMMANDS = Metric("mysql_global_status_commands_total", "Statements, by kind.", "counter", ("command",))
ERRORS = Metric(
    "mysql_global_status_connection_errors_total",
    "Connections that failed, by reason.",
    "counter",
    ("error",),
)
ROWS = Metric(
    "mysql_global_status_innodb_row_ops_total", "Rows of InnoDB, by what was done.", "counter", ("operation",)
)
PAGES = Metric(
    "mysql_global_status_buffer_pool_pages", "Pages of InnoDB's memory, by state.", labels=("state",)
)
_COMMANDS: Final = (
    "begin", "call_procedure", "commit", "delete", "delete_multi", "insert", "insert_select", "load",
    "lock_tables", "replace", "rollback", "select", "stmt_execute", "update", "update_multi",
)  # fmt: skip  # a list of words
_FAMILIES: Final = (("com_", COMMANDS), ("connection_errors_", ERRORS), ("innodb_rows_", ROWS))
_PAGES: Final = "innodb_buffer_pool_pages_"
_PAGE_STATES: Final = frozenset({"data", "free", "misc", "old"})

STATUS: Final[Mapping[str, str]] = {
    "uptime": "Seconds since the server started.",
    "threads_connected": "Connections that are open.",
    "threads_running": "Connections that run a statement.",
    "threads_created": "Threads started for connections.",
    "max_used_connections": "The most connections that were open at once.",
    "connections": "Attempts to connect.",
    "aborted_clients": "Connections whose client left without a word.",
    "aborted_connects": "Attempts to connect that failed.",
    "access_denied_errors": "Statements and logins that were denied.",
    "queries": "Statements carried out, those of procedures included.",
    "questions": "Statements that clients sent.",
    "slow_queries": "Statements that took longer than long_query_time.",
    "bytes_received": "Bytes from clients.",
    "bytes_sent": "Bytes to clients.",
    "created_tmp_tables": "Temporary tables made for statements.",
    "created_tmp_disk_tables": "Those of them on disk.",
    "sort_merge_passes": "How often a sort did not fit in memory.",
    "select_full_join": "Joins that used no index.",
    "select_scan": "Statements that read their first table whole.",
    "open_files": "Files that are open.",
    "open_tables": "Tables that are open.",
    "opened_tables": "Tables that were opened.",
    "table_locks_waited": "How often a lock of a table was waited for.",
    "innodb_num_open_files": "Files that InnoDB holds open.",
    "innodb_buffer_pool_read_requests": "Pages that were asked for.",
    "innodb_buffer_pool_reads": "Those of them that were read from disk.",
    "innodb_buffer_pool_wait_free": "How often a free page was waited for.",
    "innodb_data_reads": "Reads from disk.",
    "innodb_data_writes": "Writes to disk.",
    "innodb_data_read": "Bytes read from disk.",
    "innodb_data_written": "Bytes written to disk.",
    "innodb_data_pending_fsyncs": "Syncs that are under way.",
    "innodb_os_log_written": "Bytes written to the log.",
    "innodb_log_waits": "How often the log's memory was full.",
    "innodb_row_lock_waits": "How often a lock of a row was waited for.",
    "innodb_row_lock_time": "Milliseconds spent waiting for them.",
    "innodb_row_lock_current_waits": "Locks of rows that are waited for.",
    "innodb_deadlocks": "Transactions that locked each other out.",
    "wsrep_ready": "1 if the node of a cluster takes statements.",
    "wsrep_connected": "1 if it is connected to the cluster.",
    "wsrep_cluster_size": "Nodes in the cluster.",
    "wsrep_cluster_status": "1 if this part of the cluster has the majority.",
    "wsrep_local_state": "What the node does: 4 is in step with the others.",
    "wsrep_local_recv_queue": "Changes of others that wait to be applied.",
    "wsrep_flow_control_paused": "How much of the time the cluster waited for a slow node.",
}
VARIABLES: Final[Mapping[str, str]] = {
    "max_connections": "How many connections may be open.",
    "open_files_limit": "How many files may be open.",
    "table_open_cache": "How many tables are kept open.",
    "thread_cache_size": "How many threads are kept for later.",
    "innodb_buffer_pool_size": "Bytes of InnoDB's memory for pages.",
    "innodb_log_buffer_size": "Bytes of memory for the log.",
    "innodb_log_file_size": "Bytes of one file of the log.",
    "key_buffer_size": "Bytes of memory for indexes of MyISAM.",
    "max_allowed_packet": "How many bytes a statement may have.",
    "long_query_time": "From how many seconds a statement is slow.",
    "wait_timeout": "After how many seconds an idle connection is ended.",
    "read_only": "1 if clients may not write.",
    "wsrep_desync": "1 if the node may lag behind its cluster.",
}
_OLD_NAMES: Final = {
    "slave_io_running": "1 while a replica fetches what its source writes.",
    "slave_sql_running": "1 while a replica carries it out.",
    "seconds_behind_master": "How far behind its source a replica is.",
    "read_master_log_pos": "How far in the source's log a replica has read.",
    "exec_master_log_pos": "How far in it a replica has carried it out.",
}
REPLICATION: Final[Mapping[str, str]] = {
    **_OLD_NAMES,
    **{
        name.replace("slave", "replica").replace("master", "source"): text
        for name, text in _OLD_NAMES.items()
    },
    "relay_log_space": "Bytes fetched and kept.",
    "last_io_errno": "The number of the last error in fetching; 0 for none.",
    "last_sql_errno": "The number of the last error in carrying out; 0 for none.",
    "sql_delay": "How many seconds a replica stays behind on purpose.",
}
_SOURCE: Final = ("master_host", "master_uuid", "channel_name", "connection_name")


def _table(prefix: str, words: Mapping[str, str], labels: tuple[str, ...] = ()) -> dict[str, Metric]:
    # The exporter gives none of them a type: the server does not tell what is a counter.
    return {name: Metric(f"{prefix}_{name}", text, "untyped", labels) for name, text in words.items()}


_STATUS: Final = _table("mysql_global_status", STATUS)
_VARIABLES: Final = _table("mysql_global_variables", VARIABLES)
_REPLICATION: Final = _table("mysql_slave_status", REPLICATION, _SOURCE)
EMITS: Final = (
    UP, VERSION, COMMANDS, ERRORS, ROWS, PAGES,
    *_STATUS.values(), *_VARIABLES.values(), *_REPLICATION.values(),
)  # fmt: skip  # what is in no table first


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask, and as whom.

    ``target`` is host:port, or the path of its unix socket, like /run/mysqld/mysqld.sock. The ``user`` needs
    the right to see how replication stands: REPLICATION CLIENT in MySQL, SLAVE MONITOR in MariaDB; without
    ``replication`` it needs none. The first line of ``password_file`` is the password. With ``tls`` the
    certificate is judged as ``tls_config`` says.
    """

    target: Server = LOCAL
    user: str = "beforehand"
    password_file: str = ""
    replication: bool = True
    tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST

    def __post_init__(self) -> None:
        if not self.user or "\0" in self.user:
            raise Misfit("the user is empty or has a zero byte in it", "write it out", key="user")


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the server tells; one that is down or takes no connection is ``mysql_up`` 0."""
    return told(UP, partial(_ask, options), deadline)


def _ask(options: Options, deadline: Deadline) -> Iterator[Sample]:
    tls = options.tls_config if options.tls else None
    login = Login(options.user, read_secret(options.password_file), tls)
    with session(options.target, login, deadline) as one:
        yield from of_status(_pairs(one, "SHOW GLOBAL STATUS"))
        yield from of_variables(_pairs(one, "SHOW GLOBAL VARIABLES"))
        if options.replication:
            names, rows = one.rows(replication_query(one.version))
            yield from of_replication(names, rows)


def _pairs(one: Session, query: str) -> dict[str, str]:
    """Return the rows of a query that has two columns; names in lower case."""
    _, rows = one.rows(query)
    return {row[0].lower(): row[1] for row in rows if len(row) == 2 and row[0] and row[1] is not None}


def replication_query(version: str) -> str:
    """Return what asks this server how its replication stands; each kind has its own words."""
    if "mariadb" in version.lower():
        return "SHOW ALL SLAVES STATUS"
    found = _VERSION.match(version)
    number = tuple(int(part) for part in found.groups()) if found else ()
    return "SHOW REPLICA STATUS" if number >= _SINCE_REPLICA else "SHOW SLAVE STATUS"


def value(text: str | None) -> float | None:
    """Return a number, or 1 and 0 for words like ON and No; None for any other text."""
    if text is None:
        return None
    return float(text) if _NUMBER.fullmatch(text) else _WORDS.get(text.lower())


def of_status(status: Mapping[str, str]) -> Iterator[Sample]:
    """Yield what the status variables tell."""
    yield from _known(_STATUS, status)
    for name, text in status.items():
        number = value(text)
        if number is None:
            continue
        for prefix, metric in _FAMILIES:
            word = name.removeprefix(prefix)
            if word != name and (metric is not COMMANDS or word in _COMMANDS):
                yield metric(number, **{metric.labels[0]: label(word)})
        if name.startswith(_PAGES) and (state := name.removeprefix(_PAGES)) in _PAGE_STATES:
            yield PAGES(number, state=state)


def of_variables(variables: Mapping[str, str]) -> Iterator[Sample]:
    """Yield what the settings tell."""
    yield VERSION(1, **{name: label(variables.get(name, "")) for name in VERSION.labels})
    yield from _known(_VARIABLES, variables)


def of_replication(names: tuple[str, ...], rows: list[Row]) -> Iterator[Sample]:
    """Yield how the replica stands with each of its sources; a lag that is not known is no sample."""
    if len(rows) > SOURCES_MAX:
        raise OverflowError(f"the replica has more than {SOURCES_MAX} sources")
    for row in rows:
        told_of = {name.lower(): text or "" for name, text in zip(names, row, strict=True)}
        source = {
            "master_host": told_of.get("master_host") or told_of.get("source_host", ""),
            "master_uuid": told_of.get("master_uuid") or told_of.get("source_uuid", ""),
            "channel_name": told_of.get("channel_name", ""),
            "connection_name": told_of.get("connection_name", ""),
        }
        yield from _known(_REPLICATION, told_of, {name: label(text) for name, text in source.items()})


def _known(
    table: Mapping[str, Metric], told_of: Mapping[str, str], labels: Mapping[str, str] = {}
) -> Iterator[Sample]:
    for name, metric in table.items():
        number = value(told_of.get(name))
        if number is not None:
            yield metric(number, **labels)


def _target(options: Options) -> str:
    return str(options.target)


PROBE = Probe("mysql", Options, run, EMITS, job="mysql", target=_target, every=seconds(30))
