"""The load of the host: how many threads want to run or wait for a disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Nothing, this_host

LOAD1 = Metric("node_load1", "Load average over one minute.")
LOAD5 = Metric("node_load5", "Load average over five minutes.")
LOAD15 = Metric("node_load15", "Load average over fifteen minutes.")


def run(_options: Nothing, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the three averages."""
    for metric, load in zip((LOAD1, LOAD5, LOAD15), os.getloadavg(), strict=True):
        yield metric(load)


PROBE = Probe("load", Nothing, run, (LOAD1, LOAD5, LOAD15), job="node", target=this_host)
