"""The host's memory: every known line of /proc/meminfo, named as node_exporter names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

_KILOBYTES: Final = """
    MemTotal MemFree MemAvailable Buffers Cached SwapCached SwapTotal SwapFree Zswap Zswapped
    Active Inactive Active(anon) Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked
    HighTotal HighFree LowTotal LowFree MmapCopy Dirty Writeback AnonPages Mapped Shmem KReclaimable
    Slab SReclaimable SUnreclaim KernelStack ShadowCallStack PageTables SecPageTables NFS_Unstable
    Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal VmallocUsed VmallocChunk Percpu
    EarlyMemtestBad HardwareCorrupted AnonHugePages ShmemHugePages ShmemPmdMapped FileHugePages
    FilePmdMapped CmaTotal CmaFree Unaccepted Balloon Hugepagesize Hugetlb
    DirectMap4k DirectMap2M DirectMap4M DirectMap1G
"""
_COUNTS: Final = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp")


def _metric(key: str, unit: str) -> Metric:
    name = key.replace("(", "_").replace(")", "")
    return Metric(f"node_memory_{name}{unit}", f"The line {key} of /proc/meminfo.")


_LINES: Final = {key: _metric(key, "_bytes") for key in _KILOBYTES.split()} | {
    key: _metric(key, "") for key in _COUNTS
}


def parse(meminfo: str) -> Iterator[Sample]:
    """Yield a sample for each known line of /proc/meminfo (proc(5)); kB there are 1024 bytes."""
    for line in meminfo.split("\n"):
        key, _, rest = line.partition(":")
        if key in _LINES:
            number, *unit = rest.split()
            yield _LINES[key](int(number) * (1024 if unit else 1))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the memory of this host."""
    return parse(options.procfs.text("meminfo"))


PROBE = Probe(
    "memory", Procfs, run, tuple(_LINES.values()), job="node", target=this_host, converse=at_once(run)
)
