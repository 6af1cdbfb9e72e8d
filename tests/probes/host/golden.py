"""The same host seen by Debian's node_exporter and by the probes here, and what differs between the two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.sight.bundle import HostBundle
from model.labels import Labels
from model.plugin import AnyProbe
from model.sample import Sample
from probes.host import HOST, diskstats, filesystem
from probes.host.roots import Tree
from tests.probes.host.exporter import exporter, plant, said
from tests.probes.targets import within

FIXTURE: Final = Path(__file__).parent / "fixtures" / "host.txt"
ROUNDS_MAX: Final = 10

_PROBES: Final[dict[str, AnyProbe]] = {probe.name: probe for probe in HOST}
_SAME_NAME: Final = """
    arp conntrack cpu cpufreq diskstats dmi entropy filefd filesystem netclass netdev netstat os pressure
    processes schedstat sockstat softnet stat udp_queues vmstat
"""

# By what node_exporter calls the collector. A fixture cannot show what only a system call tells.
READ: Final[dict[str, AnyProbe]] = {
    "loadavg": _PROBES["load"],
    "meminfo": _PROBES["memory"],
    **{name: _PROBES[name] for name in _SAME_NAME.split()},
}
CALLED: Final = {name: _PROBES[name] for name in ("uname", "tcpstat")}

# Debian's is older than the one whose defaults hold here, and changes some.
AS_UPSTREAM: Final = (
    f"--collector.filesystem.mount-points-exclude={filesystem.MOUNTS_EXCLUDED}",
    f"--collector.filesystem.fs-types-exclude={filesystem.FSTYPES_EXCLUDED}",
    f"--collector.diskstats.device-exclude={diskstats.EXCLUDED}",
    "--collector.netdev.device-exclude=^$",
)

# Labels that node_exporter gives since a version after Debian's; a comparison leaves them out.
_OF_FILESYSTEM: Final = "avail_bytes device_error files files_free free_bytes readonly size_bytes"
LABELS_SINCE: Final = {
    "node_disk_info": ("rotational",),
    "node_network_info": ("adminstate",),
    **{f"node_filesystem_{name}": ("device_error",) for name in _OF_FILESYSTEM.split()},
}

# What the two do not share, by name, each with its reason.
_NEWER: Final = "told since a version after Debian's"
MISSING: Final = {
    "node_disk_info": "a disk's serial number is taken from SCSI_IDENT_SERIAL first, since 1.6",
}
OURS_ALONE: Final = {
    "node_disk_info": MISSING["node_disk_info"],
    "node_filesystem_readonly": "also told of a mount that cannot be asked, since 1.6",
    **dict.fromkeys(
        (
            "node_cpu_online", "node_cpu_scaling_governor",
            "node_filesystem_mount_info", "node_filesystem_purgeable_bytes",
            "node_netstat_TcpExt_TCPOFOQueue", "node_netstat_TcpExt_TCPRcvQDrop",
            "node_os_support_end_timestamp_seconds", "node_pressure_irq_stalled_seconds_total",
            "node_softnet_backlog_len", "node_softnet_cpu_collision_total",
            "node_softnet_flow_limit_count_total", "node_softnet_received_rps_total",
        ),
        _NEWER,
    ),
    "node_network_receive_nohandler_total": "Debian's tells it by netlink only, which no fixture can show",
}  # fmt: skip  # a table

# A thread or a connection may be in this state for a moment, seen by one side only.
PASSING: Final = ("node_processes_state", "node_processes_threads_state", "node_tcp_connection_states")

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Names whose series are all the same, of which some are missing, differ, or are told by us alone."""

    matched: tuple[str, ...]
    missing: Mapping[str, Sequence[str]]
    differing: Mapping[str, Sequence[str]]
    ours_alone: Mapping[str, Sequence[str]]


def described(text: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the content of each file that a fixture describes; its first lines say how."""
    for part in f"\n{text}".split("\n:: ")[1:]:
        head, _, body = part.partition("\n")
        path, one_line, value = head.partition(" =")
        content = f"{value.strip()}\n" if one_line else f"{body.rstrip()}\n"
        yield path, content.replace("\\t", "\t")


def planted(folder: Path) -> HostBundle:
    """Write the trees of the fixture into a folder, and return where they are."""
    plant(folder, dict(described(FIXTURE.read_text())))
    return HostBundle(
        procfs=Tree(folder / "proc"), sysfs=Tree(folder / "sys"), rootfs=Tree(folder / "rootfs")
    )


def ours(probes: Iterable[AnyProbe], host: HostBundle) -> Values:
    """Return what the probes say of a host."""
    told = (seen for probe in probes for seen in probe.look(host.options(probe))(within(20)))
    return {_key(one.labels): one.value for one in told if isinstance(one, Sample)}


def _key(labels: Labels) -> str:
    return str(labels.without(LABELS_SINCE.get(labels.name, ())))


def of_fixture(folder: Path) -> Comparison:
    """Compare what both sides read of the fixture."""
    host = planted(folder)
    flags = (
        f"--path.procfs={host.procfs.path}", f"--path.sysfs={host.sysfs.path}",
        f"--path.rootfs={host.rootfs.path}", f"--path.udev.data={host.rootfs / 'run/udev/data'}",
        "--no-collector.netdev.netlink", *AS_UPSTREAM,
    )  # fmt: skip  # three lines of flags
    with exporter(*READ, options=flags) as port:
        theirs = said(port)
    mine = ours(READ.values(), host)
    apart = {key for key in theirs.keys() & mine.keys() if not _same(key, theirs[key], mine[key])}
    return compared(theirs, mine, apart)


def _same(key: str, theirs: float, mine: float) -> bool:
    """Compare two values; each side may round its own way in the last digit.

    The folders of the fixture lie on a real filesystem, whose free space others change meanwhile.
    """
    drifts = key.startswith(("node_filesystem_avail", "node_filesystem_free", "node_filesystem_files_free"))
    return math.isclose(theirs, mine, rel_tol=0.2 if drifts else 1e-12)


def of_this_host() -> Comparison:
    """Compare what both sides say of this host, until each series has agreed once or the rounds are over.

    In a round we are asked between two scrapes, and a series agrees when its value lies between theirs.
    """
    probes = {**READ, **CALLED}
    mine: Values = {}
    with exporter(*probes, options=AS_UPSTREAM) as port:
        before = after = theirs = said(port)
        apart = set(theirs)
        for _ in range(ROUNDS_MAX):
            now = ours(probes.values(), HostBundle())
            before, after = after, said(port)
            apart &= {
                key
                for key in before.keys() & after.keys() & now.keys()
                if not _between(key, before[key], now[key], after[key])
            }
            mine |= now
            theirs |= after
            if not apart:
                break
    return compared({key: theirs[key] for key in before.keys() & after.keys()}, mine, apart)


def _between(key: str, before: float, mine: float, after: float) -> bool:
    """Say whether ours lies between theirs; a counter must, a gauge may have gone up and down meanwhile."""
    low, high = min(before, after), max(before, after)
    counts = _name(key).endswith("_total") or key.startswith("node_vmstat_")
    drift = 1e-9 * high if counts else max(8.0, 0.05 * high)  # some sockets, threads or a piece of memory
    return low - drift <= mine <= high + drift


def compared(theirs: Values, mine: Values, apart: Iterable[str]) -> Comparison:
    """Lay both sides beside each other, by name."""
    missing = _by_name(theirs.keys() - mine.keys())
    differing = _by_name(apart)
    alone = _by_name(mine.keys() - theirs.keys())
    both = {_name(key) for key in theirs.keys() & mine.keys()}
    return Comparison(tuple(sorted(both - missing.keys() - differing.keys())), missing, differing, alone)


def _by_name(keys: Iterable[str]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for key in sorted(keys):
        named.setdefault(_name(key), []).append(key)
    return named


def _name(key: str) -> str:
    return key.partition("{")[0]
