"""How many links of each bond there are, and are up, named as node_exporter names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import Sysfs, Tree, this_host

SLAVES = Metric("node_bonding_slaves", "Links that belong to the bond.", labels=("master",))
ACTIVE = Metric("node_bonding_active", "Links of the bond that are up.", labels=("master",))

_FOLDER: Final = "class/net"


def samples(sysfs: Tree) -> Iterator[Sample]:
    """Yield the links of each bond (the kernel's networking/bonding)."""
    for master in (sysfs.attribute(f"{_FOLDER}/bonding_masters") or "").split():
        slaves = (sysfs.attribute(f"{_FOLDER}/{master}/bonding/slaves") or "").split()
        yield SLAVES(len(slaves), master=master)
        yield ACTIVE(sum(_up(sysfs, f"{_FOLDER}/{master}", slave) for slave in slaves), master=master)


def _up(sysfs: Tree, folder: str, slave: str) -> bool:
    # Kernels before 3.9 say slave_.
    states = (
        sysfs.attribute(f"{folder}/{word}_{slave}/bonding_slave/mii_status") for word in ("lower", "slave")
    )
    return next((state for state in states if state), "") == "up"


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the bonds of this host."""
    return samples(options.sysfs)


def _there(options: Sysfs) -> bool:
    """Tell whether there is a bond; it may be locked while it changes."""
    return bool(options.sysfs.attribute(f"{_FOLDER}/bonding_masters"))


PROBE = Probe(
    "bonding", Sysfs, run, (SLAVES, ACTIVE), job="node", target=this_host, converse=aside_where(_there, run)
)
