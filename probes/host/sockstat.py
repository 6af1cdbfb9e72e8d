"""How many sockets of each kind there are, and the memory that they take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

USED = Metric("node_sockstat_sockets_used", "Sockets of all kinds.")

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_KINDS: Final = {
    "TCP": ("alloc", "inuse", "mem", "mem_bytes", "orphan", "tw"),
    "UDP": ("inuse", "mem", "mem_bytes"),
    "UDPLITE": ("inuse",),
    "RAW": ("inuse",),
    "FRAG": ("inuse", "memory"),
    "TCP6": ("inuse",),
    "UDP6": ("inuse",),
    "UDPLITE6": ("inuse",),
    "RAW6": ("inuse",),
    "FRAG6": ("inuse", "memory"),
}
_METRICS: Final = {
    f"{kind}_{key}": Metric(
        f"node_sockstat_{kind}_{key}", f"The number {key} of {kind} in /proc/net/sockstat."
    )
    for kind, keys in _KINDS.items()
    for key in keys
}


def parse(sockstat: str) -> Iterator[Sample]:
    """Yield the numbers of /proc/net/sockstat or sockstat6 (proc_pid_net(5)); ``mem`` there is in pages."""
    for line in sockstat.split("\n"):
        kind, _, rest = line.partition(": ")
        words = rest.split()
        for key, number in zip(words[::2], map(int, words[1::2]), strict=True):
            if (kind, key) == ("sockets", "used"):
                yield USED(number)
            elif f"{kind}_{key}" in _METRICS:
                yield _METRICS[f"{kind}_{key}"](number)
                if key == "mem":
                    yield _METRICS[f"{kind}_mem_bytes"](number * _PAGE_BYTES)


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the numbers of this host; a kernel without IPv4 or IPv6 has none of it."""
    yield from parse(options.procfs.text_if_any("net/sockstat"))
    yield from parse(options.procfs.text_if_any("net/sockstat6"))


PROBE = Probe(
    "sockstat", Procfs, run, (USED, *_METRICS.values()), job="node", target=this_host, converse=at_once(run)
)
