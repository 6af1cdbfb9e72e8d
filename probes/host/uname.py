"""What kernel runs on the host, and what the host calls itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

INFO = Metric(
    "node_uname_info", "What uname(2) says.",
    labels=("sysname", "release", "version", "machine", "nodename", "domainname"),
)  # fmt: skip  # the labels on one line


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield one sample that carries the words; Python's uname lacks the domain, so /proc tells it."""
    told = os.uname()
    yield INFO(
        1, sysname=told.sysname, release=told.release, version=told.version, machine=told.machine,
        nodename=told.nodename, domainname=options.procfs.attribute("sys/kernel/domainname") or "",
    )  # fmt: skip  # as above


PROBE = Probe("uname", Procfs, run, (INFO,), job="node", target=this_host, converse=at_once(run))
