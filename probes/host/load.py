"""The load of the host: how many threads want to run or wait for a disk."""

from __future__ import annotations

from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

LOAD1 = Metric("node_load1", "Load average over one minute.")
LOAD5 = Metric("node_load5", "Load average over five minutes.")
LOAD15 = Metric("node_load15", "Load average over fifteen minutes.")


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the three averages, the first words of /proc/loadavg (proc(5))."""
    averages = options.procfs.text("loadavg").split()[:3]
    for metric, load in zip((LOAD1, LOAD5, LOAD15), averages, strict=True):
        yield metric(float(load))


PROBE = Probe(
    "load", Procfs, run, (LOAD1, LOAD5, LOAD15), job="node", target=this_host, converse=at_once(run)
)
