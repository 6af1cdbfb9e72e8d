"""How long tasks wait for CPU, memory, disks and interrupts: the kernel's pressure stall information."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, Tree, this_host


def _metric(name: str, words: str) -> Metric:
    return Metric(f"node_pressure_{name}_seconds_total", words, "counter")


_TOTALS: Final = {
    ("cpu", "some"): _metric("cpu_waiting", "Seconds in which some task waited for a CPU."),
    ("io", "some"): _metric("io_waiting", "Seconds in which some task waited for a disk."),
    ("io", "full"): _metric("io_stalled", "Seconds in which no task got on, for want of a disk."),
    ("memory", "some"): _metric("memory_waiting", "Seconds in which some task waited for memory."),
    ("memory", "full"): _metric("memory_stalled", "Seconds in which no task got on, for want of memory."),
    ("irq", "full"): _metric("irq_stalled", "Seconds in which no task got on, because of interrupts."),
}
_RESOURCES: Final = ("cpu", "io", "memory", "irq")


def parse(resource: str, text: str) -> Iterator[Sample]:
    """Yield the totals of one file of /proc/pressure (the kernel's Documentation/accounting/psi.rst)."""
    for line in text.split("\n"):
        share, _, rest = line.partition(" ")
        metric = _TOTALS.get((resource, share))
        if metric is not None:
            yield metric(int(rest.rpartition("total=")[2]) / 1e6)  # the kernel counts microseconds


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the totals of this host; nothing where the kernel was built or started without them."""
    for resource in _RESOURCES:
        yield from parse(resource, _told(options.procfs, resource))


def _told(procfs: Tree, resource: str) -> str:
    try:
        return procfs.text_if_any(f"pressure/{resource}")
    except OSError as wrong:
        if wrong.errno == errno.EOPNOTSUPP:
            return ""  # the kernel has them, but was started with psi=0
        raise


PROBE = Probe(
    "pressure", Procfs, run, tuple(_TOTALS.values()), job="node", target=this_host, converse=at_once(run)
)
