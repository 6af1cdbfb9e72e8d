"""Which of the metrics that public dashboards and rules ask for are told here, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent import own
from probes import PROBES

SOURCES: Final = ("node_mixin", "node_exporter_full")

_OTHER_SYSTEM: Final = "told on macOS and AIX only; on Linux node_exporter has none of it"
_OWN_PROCESS: Final = "about the exporter's process; the agent tells its own on /metrics"

NOT_TOLD: Final = {
    **dict.fromkeys(
        (
            "node_memory_available_bytes", "node_memory_compressed_bytes", "node_memory_internal_bytes",
            "node_memory_purgeable_bytes", "node_memory_total_bytes", "node_memory_wired_bytes",
        ),
        _OTHER_SYSTEM,
    ),
    **dict.fromkeys(
        (
            "process_cpu_seconds_total", "process_max_fds", "process_open_fds",
            "process_virtual_memory_bytes", "process_virtual_memory_max_bytes",
        ),
        _OWN_PROCESS,
    ),
    "node_exporter_build_info": "it says which node_exporter runs, and this is none",
    "node_interrupts_total": "off by default in node_exporter: a series for each interrupt and processor",
    "node_kernel_hung_tasks": "node_exporter itself tells node_kernel_hung_tasks_total, and so do we",
    "node_netstat_Tcp_MaxConn": "left out by default in node_exporter: it is -1 on every Linux",
}  # fmt: skip  # a table


def asked_for(source: str) -> list[str]:
    """Return the names on a list; its first lines say where they come from."""
    text = (Path(__file__).parent / "fixtures" / f"{source}.names").read_text()
    return [line for line in text.splitlines() if not line.startswith("#")]


def told() -> set[str]:
    """Return the names of all metrics that the probes here declare, and the agent about them."""
    return {metric.name for probe in PROBES for metric in probe.emits} | {metric.name for metric in own.ALL}


def not_told(source: str) -> list[str]:
    """Return the names on a list that no probe here tells."""
    return sorted(set(asked_for(source)) - told())


def lines() -> Iterator[str]:
    """Yield, for each list, how many of its names are told here, and the others with their reasons."""
    for source in SOURCES:
        names, lacking = asked_for(source), not_told(source)
        yield f"{source}: {len(names) - len(lacking)} of {len(names)} names are told here"
        yield from (f"    {name}: {NOT_TOLD.get(name, '?')}" for name in lacking)
