"""Paging, swapping and the kills of the kernel for want of memory, from /proc/vmstat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

# What node_exporter takes by default; the kernel counts some 150 things more.
_FIELDS: Final = {
    key: Metric(f"node_vmstat_{key}", f"The field {key} of /proc/vmstat.", "untyped")
    for key in ("oom_kill", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout")
}


def parse(vmstat: str) -> Iterator[Sample]:
    """Yield a sample for each known line of /proc/vmstat (proc(5))."""
    for line in vmstat.split("\n"):
        key, _, count = line.partition(" ")
        if key in _FIELDS:
            yield _FIELDS[key](int(count))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the counts of this host."""
    return parse(options.procfs.text("vmstat"))


PROBE = Probe(
    "vmstat", Procfs, run, tuple(_FIELDS.values()), job="node", target=this_host, converse=at_once(run)
)
