"""How many neighbours the host knows in each of its networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.chosen import chosen
from probes.host.prompt import at_once
from probes.host.roots import PROCFS, Tree, this_host
from probes.pattern import Pattern

ENTRIES = Metric("node_arp_entries", "Neighbours in the ARP table, by device.", labels=("device",))


@dataclass(frozen=True, slots=True)
class Options:
    """Which devices to look at: what ``device_include`` finds, or all but what ``device_exclude`` finds.

    When neither is given, all are looked at. ``procfs`` is where the host's /proc is; a container sees it
    elsewhere, and must share the host's network.
    """

    device_include: Pattern | None = None
    device_exclude: Pattern | None = None
    procfs: Tree = PROCFS

    def __post_init__(self) -> None:
        chosen(self.device_include, self.device_exclude, None, "device_exclude")


def parse(table: str) -> Counter[str]:
    """Return how many entries each device has in /proc/net/arp (arp(7)); the device is the last column."""
    rows = (line.split() for line in table.split("\n")[1:])
    return Counter(row[-1] for row in rows if row)


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the count of each device that has any."""
    wanted = chosen(options.device_include, options.device_exclude, None, "device_exclude")
    for device, count in parse(options.procfs.text("net/arp")).items():
        if device in wanted:
            yield ENTRIES(count, device=device)


PROBE = Probe("arp", Options, run, (ENTRIES,), job="node", target=this_host, converse=at_once(run))
