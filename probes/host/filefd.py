"""How many files the host has open, and how many it may have."""

from __future__ import annotations

from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

ALLOCATED = Metric("node_filefd_allocated", "Files that are open on this host.")
MAXIMUM = Metric("node_filefd_maximum", "How many files may be open on this host.")


def parse(file_nr: str) -> Iterator[Sample]:
    """Yield the first and the last number of /proc/sys/fs/file-nr (proc_sys_fs(5)); the middle one is 0."""
    allocated, _, maximum = file_nr.split()
    yield ALLOCATED(int(allocated))
    yield MAXIMUM(int(maximum))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield both numbers."""
    return parse(options.procfs.text("sys/fs/file-nr"))


PROBE = Probe(
    "filefd", Procfs, run, (ALLOCATED, MAXIMUM), job="node", target=this_host, converse=at_once(run)
)
