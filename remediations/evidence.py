"""What a host looks like at this moment, as short tables for the human who reads the run later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import psutil

from model.step import Sight
from remediations.redact import redacted

PROCESSES_MAX: Final = 30
SOCKETS_MAX: Final = 500
COMMAND_CHARACTERS_MAX: Final = 160
_MIB: Final = 1 << 20


def sight(what: Sight) -> str:
    """Return one table; it may block as long as the kernel does (a dead file server, for one)."""
    return "\n".join(_SIGHTS[what]())


def _top() -> Iterator[str]:
    """The processes that hold most memory, and those that used most processor time."""
    load = " ".join(f"{value:.2f}" for value in psutil.getloadavg())
    yield f"load {load}, {psutil.cpu_count()} processors"
    rows = []
    for process in psutil.process_iter(["pid", "name", "memory_info", "cpu_times", "status"]):
        facts = process.info
        if facts["memory_info"] and facts["cpu_times"]:
            rows.append((facts["memory_info"].rss, sum(facts["cpu_times"][:2]), process))
    heavy = sorted(rows, key=lambda row: row[0], reverse=True)[: PROCESSES_MAX // 2]
    busy = sorted(rows, key=lambda row: row[1], reverse=True)[: PROCESSES_MAX // 2]
    yield f"{'pid':>8} {'rss MiB':>8} {'cpu s':>10} state command"
    shown = dict.fromkeys(row[2].pid for row in (*heavy, *busy))
    by_pid = {row[2].pid: row for row in rows}
    for pid in shown:
        rss, spent, process = by_pid[pid]
        yield f"{pid:>8} {rss / _MIB:>8.1f} {spent:>10.1f} {process.info['status']} {_command(process)}"


def _command(process: psutil.Process) -> str:
    """The command line without secrets; one that cannot be read is named by its program."""
    try:
        words = process.cmdline()
    except psutil.Error:
        words = []
    text = redacted(" ".join(words)) or f"[{process.info['name']}]"
    return text[:COMMAND_CHARACTERS_MAX]


def _sockets() -> Iterator[str]:
    """Who listens, and how many connections stand in which state."""
    try:
        connections = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:
        yield "the sockets of other users cannot be seen"
        return
    counts: dict[str, int] = {}
    for connection in connections:
        counts[connection.status] = counts.get(connection.status, 0) + 1
    yield ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no sockets"
    listening = {(*one.laddr, one.pid or 0) for one in connections if one.status == psutil.CONN_LISTEN}
    for ip, port, pid in sorted(listening)[:SOCKETS_MAX]:
        yield f"listens on {ip} port {port}, pid {pid or 'unknown'}"


def _df() -> Iterator[str]:
    """The space on each mounted filesystem."""
    yield f"{'size MiB':>10} {'free MiB':>10} {'used %':>6} mount"
    for mount in psutil.disk_partitions(all=False):
        try:
            space = psutil.disk_usage(mount.mountpoint)
        except OSError as wrong:
            yield f"{'':>28} {mount.mountpoint}: {wrong.strerror}"
            continue
        sizes = f"{space.total / _MIB:>10.0f} {space.free / _MIB:>10.0f} {space.percent:>6.1f}"
        yield f"{sizes} {mount.mountpoint}"


def _memory() -> Iterator[str]:
    """Memory and swap as the kernel counts them."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield f"memory: {memory.available / _MIB:.0f} of {memory.total / _MIB:.0f} MiB available"
    yield f"swap: {swap.used / _MIB:.0f} of {swap.total / _MIB:.0f} MiB used"


_SIGHTS: Final[dict[Sight, Callable[[], Iterator[str]]]] = {
    "top": _top,
    "sockets": _sockets,
    "df": _df,
    "memory": _memory,
}
