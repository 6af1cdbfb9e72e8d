"""Traffic, drops and errors of each network device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.chosen import chosen
from probes.host.prompt import at_once
from probes.host.roots import PROCFS, SYSFS, Tree, this_host
from probes.pattern import Pattern


def _metric(name: str) -> Metric:
    words = f"{name.replace('_', ' ').capitalize()} of a network device."
    return Metric(f"node_network_{name}_total", words, "counter", ("device",))


# The columns of /proc/net/dev, in node_exporter's words (the kernel's net/core/net-procfs.c).
_COLUMNS: Final = tuple(
    _metric(name)
    for name in (
        "receive_bytes", "receive_packets", "receive_errs", "receive_drop", "receive_fifo", "receive_frame",
        "receive_compressed", "receive_multicast", "transmit_bytes", "transmit_packets", "transmit_errs",
        "transmit_drop", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
    )
)  # fmt: skip  # two halves of eight columns
NOHANDLER = _metric("receive_nohandler")


@dataclass(frozen=True, slots=True)
class Options:
    """Which devices to look at: what ``device_include`` finds, or all but what ``device_exclude`` finds.

    When neither is given, all are looked at. ``procfs`` and ``sysfs`` are where the host's /proc and /sys
    are; a container sees them elsewhere, and must share the host's network.
    """

    device_include: Pattern | None = None
    device_exclude: Pattern | None = None
    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS

    def __post_init__(self) -> None:
        chosen(self.device_include, self.device_exclude, None, "device_exclude")


def devices(net_dev: str) -> Iterator[tuple[str, list[int]]]:
    """Yield each device of /proc/net/dev with its columns; a name may hold a colon."""
    for line in net_dev.split("\n")[2:]:
        name, colon, columns = line.rpartition(":")
        if colon:
            yield name.strip(), [int(column) for column in columns.split()]


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the counters of each device."""
    wanted = chosen(options.device_include, options.device_exclude, None, "device_exclude")
    for device, columns in devices(options.procfs.text("net/dev")):
        if device not in wanted:
            continue
        for metric, value in zip(_COLUMNS, columns, strict=True):
            yield metric(value, device=device)
        # The one counter that /proc/net/dev lacks.
        unhandled = options.sysfs.number(f"class/net/{device}/statistics/rx_nohandler")
        if unhandled is not None:
            yield NOHANDLER(unhandled, device=device)


PROBE = Probe(
    "netdev", Options, run, (*_COLUMNS, NOHANDLER), job="node", target=this_host, converse=at_once(run)
)
