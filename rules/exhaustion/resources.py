"""Everything bounded that well-known metrics tell of: which say how much there is, and how much is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bounded:
    """A kind of resource; ``limit`` is the metric of how much there is, ``used`` or ``free`` where it stands.

    Its series are told apart by all their labels but ``apart``, over which they are summed. ``named`` is the
    label that names one resource; where there is but one, the kind does.
    """

    kind: str
    limit: str
    used: str = ""
    free: str = ""
    named: str = ""
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dated:
    """A kind of resource that ends at a known time, in seconds since 1970."""

    kind: str
    ends: str
    named: str


BOUNDED: Final = (
    Bounded("disk", "node_filesystem_size_bytes", free="node_filesystem_avail_bytes", named="mountpoint"),
    Bounded("inodes", "node_filesystem_files", free="node_filesystem_files_free", named="mountpoint"),
    Bounded("memory", "node_memory_MemTotal_bytes", free="node_memory_MemAvailable_bytes"),
    Bounded("swap", "node_memory_SwapTotal_bytes", free="node_memory_SwapFree_bytes"),
    Bounded("files", "node_filefd_maximum", used="node_filefd_allocated"),
    Bounded("pids", "node_processes_max_processes", used="node_processes_pids"),
    Bounded("threads", "node_processes_max_threads", used="node_processes_threads"),
    Bounded("conntrack", "node_nf_conntrack_entries_limit", used="node_nf_conntrack_entries"),
    Bounded("tasks", "node_systemd_unit_tasks_max", used="node_systemd_unit_tasks_current", named="name"),
    Bounded("process_files", "beforehand_process_max_fds", used="beforehand_process_open_fds", named="group"),
    Bounded("process_files", "process_max_fds", used="process_open_fds", named="job"),
    Bounded(
        "connections",
        "pg_settings_max_connections",
        used="pg_stat_database_numbackends",
        named="instance",
        apart=("datid", "datname"),
    ),
    Bounded(
        "connections",
        "mysql_global_variables_max_connections",
        used="mysql_global_status_threads_connected",
        named="instance",
    ),
    Bounded("connections", "redis_config_maxclients", used="redis_connected_clients", named="instance"),
    Bounded(
        "connections", "memcached_max_connections", used="memcached_current_connections", named="instance"
    ),
    Bounded("data", "redis_memory_max_bytes", used="redis_memory_used_bytes", named="instance"),
    Bounded(
        "container_memory",
        "container_spec_memory_limit_bytes",
        used="container_memory_working_set_bytes",
        named="name",
    ),
)

DATED: Final = (
    Dated("certificate", "probe_ssl_earliest_cert_expiry", "instance"),
    Dated("certificate", "beforehand_cert_not_after_timestamp_seconds", "path"),
    Dated("domain", "beforehand_domain_expiry_timestamp_seconds", "domain"),
)
