"""What is asked of PostgreSQL's statistics views, and which metrics of postgres_exporter the answers are.

https://www.postgresql.org/docs/current/monitoring-stats.html. Every query stands here as it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from model.sample import LABEL_BYTES_MAX, Kind, Metric, Sample
from probes.net.connect import Unhealthy
from probes.service.pgwire import Row

_NUMBER: Final = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Query:
    """One question: a row's first columns are the labels, the others are values of the metrics in order.

    It is asked of the major versions ``first`` to ``last``; 13 is the oldest known. NULL is no value.
    """

    metrics: tuple[Metric, ...]
    sql: str
    first: int = 13
    last: int = 999

    def samples(self, rows: Sequence[Row]) -> Iterator[Sample]:
        """Yield what the rows tell."""
        names = self.metrics[0].labels
        for row in rows:
            labels = {name: (text or "")[:LABEL_BYTES_MAX] for name, text in zip(names, row, strict=False)}
            if len(row) != len(names) + len(self.metrics):
                raise Unhealthy("the server answers with other columns than asked for")
            for metric, text in zip(self.metrics, row[len(names) :], strict=True):
                if text is None:
                    continue
                if not _NUMBER.fullmatch(text):
                    raise Unhealthy(f"the server answers with {text[:40]!a} where a number was asked for")
                yield metric(float(text), **labels)


def _metrics(prefix: str, labels: str, words: dict[str, str], kind: Kind = "untyped") -> tuple[Metric, ...]:
    """Return metrics that share the beginning of their name, and their labels."""
    return tuple(
        Metric(
            f"{prefix}_{name}", text, "counter" if name.endswith("_total") else kind, tuple(labels.split())
        )
        for name, text in words.items()
    )


SERVER = Query(
    _metrics(
        "pg",
        "",
        {
            "postmaster_start_time_seconds": "When the server started, since 1970.",
            "settings_max_connections": "How many connections there may be at once.",
            "settings_superuser_reserved_connections": "How many of them are kept for superusers.",
            "replication_is_replica": "1 if the server is a replica.",
            "replication_lag_seconds": "How far behind a replica is; 0 if it replayed all.",
        },
        "gauge",
    ),
    """SELECT extract(epoch FROM pg_postmaster_start_time()), current_setting('max_connections')::int,
    current_setting('superuser_reserved_connections')::int, pg_is_in_recovery()::int,
    CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) END""",
)
VERSION = Query(
    (Metric("pg_static", "What the server is; always 1.", labels=("short_version", "version")),),
    "SELECT current_setting('server_version'), version(), 1",
)
DATABASE = Query(
    _metrics(
        "pg_stat_database",
        "datid datname",
        {
            "numbackends": "Connections to the database.",
            "xact_commit": "Transactions that were committed.",
            "xact_rollback": "Transactions that were rolled back.",
            "blks_read": "Blocks that were read from disk.",
            "blks_hit": "Blocks that were found in the server's memory.",
            "tup_returned": "Rows that were read.",
            "tup_fetched": "Rows that were found through an index.",
            "tup_inserted": "Rows that were inserted.",
            "tup_updated": "Rows that were updated.",
            "tup_deleted": "Rows that were deleted.",
            "conflicts": "Queries that a replica ended because of what it had to replay.",
            "temp_files": "Files that queries wrote because memory did not suffice.",
            "temp_bytes": "Bytes in those files.",
            "deadlocks": "Transactions ended because they locked each other out.",
        },
    ),
    """SELECT datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned,
    tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks
    FROM pg_stat_database WHERE datname IS NOT NULL""",
)
SIZE = Query(
    _metrics(
        "pg_database",
        "datname",
        {
            "size_bytes": "Bytes that the database takes on disk.",
            "wraparound_age_datfrozenxid_seconds": "Transactions since its oldest row was frozen.",
            "wraparound_age_datminmxid_seconds": "Multiple transactions since then.",
        },
        "gauge",
    ),
    """SELECT datname, pg_database_size(oid), age(datfrozenxid), mxid_age(datminmxid)
    FROM pg_database WHERE datallowconn""",
)
ACTIVITY = Query(
    _metrics(
        "pg_stat_activity",
        "datname state",
        {
            "count": "Connections in this state.",
            "max_tx_duration": "How many seconds the longest transaction in this state has been open.",
        },
        "gauge",
    ),
    """SELECT d.datname, s.state, count(a.pid), coalesce(max(extract(epoch FROM now() - a.xact_start)), 0)
    FROM pg_database d CROSS JOIN (VALUES ('active'), ('idle'), ('idle in transaction'),
    ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled')) s(state)
    LEFT JOIN pg_stat_activity a ON a.datid = d.oid AND a.state = s.state
    WHERE d.datallowconn GROUP BY d.datname, s.state""",
)
LOCKS = Query(
    _metrics("pg_locks", "datname mode", {"count": "Locks that are held or waited for."}, "gauge"),
    """SELECT d.datname, lower(m.mode), count(l.locktype)
    FROM pg_database d CROSS JOIN (VALUES ('AccessShareLock'), ('RowShareLock'), ('RowExclusiveLock'),
    ('ShareUpdateExclusiveLock'), ('ShareLock'), ('ShareRowExclusiveLock'), ('ExclusiveLock'),
    ('AccessExclusiveLock'), ('SIReadLock')) m(mode)
    LEFT JOIN pg_locks l ON l.database = d.oid AND l.mode = m.mode
    WHERE d.datallowconn GROUP BY d.datname, m.mode""",
)
ARCHIVER = Query(
    _metrics(
        "pg_stat_archiver",
        "",
        {
            "archived_count": "WAL files that were archived.",
            "failed_count": "Attempts to archive one that failed.",
            "last_archive_age": "Seconds since one was archived.",
        },
    ),
    """SELECT archived_count, failed_count, extract(epoch FROM now() - last_archived_time)
    FROM pg_stat_archiver""",
)
_WRITER: Final = _metrics(
    "pg_stat_bgwriter",
    "",
    {
        "buffers_clean_total": "Buffers that the background writer wrote.",
        "maxwritten_clean_total": "How often it stopped because it had written so many.",
        "buffers_alloc_total": "Buffers that were taken into use.",
    },
)
WRITER_TO_16 = Query(
    (
        *_metrics(
            "pg_stat_bgwriter",
            "",
            {
                "checkpoints_timed_total": "Checkpoints that were due.",
                "checkpoints_req_total": "Checkpoints that were asked for, or forced by much WAL.",
                "checkpoint_write_time_total": "Milliseconds spent writing in checkpoints.",
                "checkpoint_sync_time_total": "Milliseconds spent waiting for disks in checkpoints.",
                "buffers_checkpoint_total": "Buffers that checkpoints wrote.",
                "buffers_backend_total": "Buffers that sessions had to write themselves.",
                "buffers_backend_fsync_total": "How often one had to wait for disks itself.",
            },
        ),
        *_WRITER,
    ),
    """SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time,
    buffers_checkpoint, buffers_backend, buffers_backend_fsync, buffers_clean, maxwritten_clean, buffers_alloc
    FROM pg_stat_bgwriter""",
    last=16,
)
WRITER = Query(
    _WRITER, "SELECT buffers_clean, maxwritten_clean, buffers_alloc FROM pg_stat_bgwriter", first=17
)
CHECKPOINTER = Query(
    _metrics(
        "pg_stat_checkpointer",
        "",
        {
            "num_timed_total": "Checkpoints that were due.",
            "num_requested_total": "Checkpoints that were asked for, or forced by much WAL.",
            "write_time_total": "Milliseconds spent writing in checkpoints.",
            "sync_time_total": "Milliseconds spent waiting for disks in checkpoints.",
            "buffers_written_total": "Buffers that checkpoints wrote.",
        },
    ),
    "SELECT num_timed, num_requested, write_time, sync_time, buffers_written FROM pg_stat_checkpointer",
    first=17,
)
SLOTS = Query(
    _metrics(
        "pg_replication_slots",
        "slot_name slot_type",
        {
            "active": "1 while somebody reads the replication slot.",
            "pg_wal_lsn_diff": "Bytes of WAL kept for the replication slot.",
            "safe_wal_size_bytes": "Bytes of WAL that may follow before the slot is lost.",
        },
        "gauge",
    ),
    """SELECT slot_name, slot_type, active::int, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
    THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), safe_wal_size
    FROM pg_replication_slots""",
)
SLOT_STATUS = Query(
    _metrics(
        "pg_replication_slots",
        "slot_name slot_type wal_status",
        {"wal_status": "1 for what holds of the WAL of the slot: reserved, extended, unreserved or lost."},
        "gauge",
    ),
    "SELECT slot_name, slot_type, wal_status, 1 FROM pg_replication_slots WHERE wal_status IS NOT NULL",
)
REPLICAS = Query(
    _metrics(
        "pg_stat_replication",
        "application_name client_addr state slot_name",
        {"pg_wal_lsn_diff": "Bytes of WAL that the replica has not replayed."},
        "gauge",
    ),
    """SELECT r.application_name, r.client_addr, r.state, s.slot_name, max(pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, r.replay_lsn))
    FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
    GROUP BY 1, 2, 3, 4""",
)
TABLES = Query(
    _metrics(
        "pg_stat_user_tables",
        "datname schemaname relname",
        {
            "n_live_tup": "Live rows, as estimated.",
            "n_dead_tup": "Dead rows, as estimated.",
            "n_mod_since_analyze": "Rows changed since the table was analysed.",
            "last_vacuum": "When somebody last vacuumed it, since 1970; 0 for never.",
            "last_autovacuum": "When autovacuum last did, since 1970; 0 for never.",
            "last_autoanalyze": "When autovacuum last analysed it, since 1970; 0 for never.",
            "seq_scan": "How often the whole table was read.",
            "idx_scan": "How often an index of it was used.",
        },
    ),
    """SELECT current_database(), schemaname, relname, n_live_tup, n_dead_tup, n_mod_since_analyze,
    coalesce(extract(epoch FROM last_vacuum), 0), coalesce(extract(epoch FROM last_autovacuum), 0),
    coalesce(extract(epoch FROM last_autoanalyze), 0), seq_scan, idx_scan
    FROM pg_stat_user_tables ORDER BY n_dead_tup DESC, n_live_tup DESC, relid LIMIT 200""",
)

ALLOWED: Final = "SELECT pg_has_role('pg_read_all_stats', 'USAGE')::int"
QUERIES: Final = (
    SERVER, VERSION, DATABASE, SIZE, ACTIVITY, LOCKS, ARCHIVER, WRITER_TO_16, WRITER, CHECKPOINTER,
    SLOTS, SLOT_STATUS, REPLICAS,
)  # fmt: skip  # asked in this order, of the first database
