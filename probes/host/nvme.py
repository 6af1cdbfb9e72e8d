"""NVMe controllers and how full their namespaces are, named as node_exporter names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import Sysfs, Tree, this_host

INFO = Metric(
    "node_nvme_info",
    "What the controller is, and the state that it is in.",
    labels=("device", "firmware_revision", "model", "serial", "state", "cntlid"),
)
NAMESPACE_INFO = Metric(
    "node_nvme_namespace_info", "How a namespace can be reached.", labels=("device", "nsid", "ana_state")
)
_LABELS: Final = ("device", "nsid")
CAPACITY = Metric("node_nvme_namespace_capacity_bytes", "The namespace's capacity.", labels=_LABELS)
SIZE = Metric("node_nvme_namespace_size_bytes", "The namespace's size.", labels=_LABELS)
USED = Metric("node_nvme_namespace_used_bytes", "What of the namespace is in use.", labels=_LABELS)
BLOCK = Metric("node_nvme_namespace_logical_block_size_bytes", "The size of a logical block.", labels=_LABELS)

_FOLDER: Final = "class/nvme"
_SECTOR_BYTES: Final = 512
_NAMESPACE: Final = re.compile(r"nvme[0-9]+n([0-9]+)")


def samples(sysfs: Tree) -> Iterator[Sample]:
    """Yield each controller with its namespaces."""
    for device in sysfs.names(_FOLDER):
        folder = f"{_FOLDER}/{device}"
        yield INFO(
            1,
            device=device,
            firmware_revision=sysfs.attribute(f"{folder}/firmware_rev") or "",
            model=sysfs.attribute(f"{folder}/model") or "",
            serial=sysfs.attribute(f"{folder}/serial") or "",
            state=sysfs.attribute(f"{folder}/state") or "",
            cntlid=sysfs.attribute(f"{folder}/cntlid") or "",
        )
        for name in sysfs.names(folder):
            found = _NAMESPACE.fullmatch(name)
            if found:
                yield from _namespace(sysfs, f"{folder}/{name}", device, found[1])


def _namespace(sysfs: Tree, folder: str, device: str, nsid: str) -> Iterator[Sample]:
    """Yield one namespace: ``nuse`` is in its blocks, ``size`` like that of every disk in sectors.

    node_exporter takes the size to be in blocks as well, which differs where a block is not 512 bytes.
    """
    used, size = sysfs.number(f"{folder}/nuse"), sysfs.number(f"{folder}/size")
    block_bytes = sysfs.number(f"{folder}/queue/logical_block_size")
    ana_state = sysfs.attribute(f"{folder}/ana_state") or "unknown"
    yield NAMESPACE_INFO(1, device=device, nsid=nsid, ana_state=ana_state)
    if used is None or size is None or block_bytes is None:
        return
    yield CAPACITY(size * _SECTOR_BYTES, device=device, nsid=nsid)
    yield SIZE(size * _SECTOR_BYTES, device=device, nsid=nsid)
    yield USED(used * block_bytes, device=device, nsid=nsid)
    yield BLOCK(block_bytes, device=device, nsid=nsid)


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the NVMe devices of this host."""
    return samples(options.sysfs)


def _there(options: Sysfs) -> bool:
    """Tell whether there is a controller to ask; one in trouble may not answer."""
    return bool(options.sysfs.names(_FOLDER))


PROBE = Probe(
    "nvme",
    Sysfs,
    run,
    (INFO, NAMESPACE_INFO, CAPACITY, SIZE, USED, BLOCK),
    job="node",
    target=this_host,
    converse=aside_where(_there, run),
)
