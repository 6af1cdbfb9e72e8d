"""How much randomness the kernel has gathered."""

from __future__ import annotations

from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

AVAILABLE = Metric("node_entropy_available_bits", "Bits of randomness in the kernel's pool.")
POOL = Metric("node_entropy_pool_size_bits", "Bits that the kernel's pool of randomness holds.")


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield both numbers (random(4))."""
    for metric, name in ((AVAILABLE, "entropy_avail"), (POOL, "poolsize")):
        yield metric(int(options.procfs.text(f"sys/kernel/random/{name}")))


PROBE = Probe("entropy", Procfs, run, (AVAILABLE, POOL), job="node", target=this_host, converse=at_once(run))
