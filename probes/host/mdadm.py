"""Arrays of disks that the kernel keeps (md), named as node_exporter names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import PROCFS, SYSFS, Tree, this_host

_DEVICE: Final = ("device",)
STATE = Metric("node_md_state", "1 for the state that the array is in.", labels=("device", "state"))
DISKS = Metric("node_md_disks", "Disks of the array by state.", labels=("device", "state"))
REQUIRED = Metric("node_md_disks_required", "Disks that the array needs to be whole.", labels=_DEVICE)
BLOCKS = Metric("node_md_blocks", "Blocks that the array holds.", labels=_DEVICE)
SYNCED = Metric("node_md_blocks_synced", "Blocks that are in sync.", labels=_DEVICE)
RAID_DISKS = Metric("node_md_raid_disks", "Disks of the whole array, as sysfs says.", labels=_DEVICE)
DEGRADED = Metric("node_md_degraded", "Disks that are missing from the array.", labels=_DEVICE)

STATES: Final = ("active", "inactive", "recovering", "resync", "check")

_STATUS: Final = re.compile(r"^ *([0-9]+) blocks(?: .*?\[([0-9]+)/([0-9]+)\] \[[U_]+\])?")
_ACTS: Final = re.compile(r"(recovery|reshape|resync|check) *=")
_STATE_OF_ACT: Final = {"recovery": "recovering", "resync": "resync", "check": "check", "reshape": "reshape"}
_PROGRESS: Final = re.compile(r"\(([0-9]+)/[0-9]+\)")
_HEAD: Final = re.compile(r"(\S+) : (active|inactive|broken)\b")


@dataclass(frozen=True, slots=True)
class Options:
    """``procfs`` and ``sysfs`` are where the host's /proc and /sys are; a container sees them elsewhere."""

    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS


@dataclass(frozen=True, slots=True)
class Array:
    """One array, as /proc/mdstat describes it."""

    device: str
    state: str
    required: int
    active: int
    failed: int
    spare: int
    blocks: int
    synced: int


def parse(mdstat: str) -> Iterator[Array]:
    """Yield the arrays of /proc/mdstat (md(4)): each has a line of its own and indented ones below it."""
    head, below = "", list[str]()
    for line in [*mdstat.split("\n"), "end"]:
        if line[:1] in ("", " ", "\t"):
            below.append(line)
            continue
        if _HEAD.match(head):
            yield _array(head, below)
        head, below = line, []


def _array(head: str, below: list[str]) -> Array:
    found = _HEAD.match(head)
    status = _STATUS.match(below[0]) if below else None
    if not found or not status:
        raise ValueError(f"{head[:100]!r} in mdstat is not followed by its status")
    device, state = found[1], found[2]
    blocks, required, active = (int(number or 0) for number in status.groups())
    if re.search(r"\b(raid0|linear)\b", head):
        required = active = head.count("[")  # these have no spare disks, and tell no counts
    synced = blocks
    for line in below[1:]:
        act = _ACTS.search(line)
        if act:
            state = _STATE_OF_ACT[act[1]]
            done = _PROGRESS.search(line)
            synced = int(done[1]) if done else 0
    return Array(device, state, required, active, head.count("(F)"), head.count("(S)"), blocks, synced)


def samples(array: Array) -> Iterator[Sample]:
    """Yield what /proc/mdstat says of one array."""
    device = array.device
    for state in STATES:
        yield STATE(state == array.state, device=device, state=state)
    yield DISKS(array.active, device=device, state="active")
    yield DISKS(array.failed, device=device, state="failed")
    yield DISKS(array.spare, device=device, state="spare")
    yield REQUIRED(array.required, device=device)
    yield BLOCKS(array.blocks, device=device)
    yield SYNCED(array.synced, device=device)


def in_sysfs(sysfs: Tree) -> Iterator[Sample]:
    """Yield what sysfs adds of each array (the kernel's admin-guide/md); containers have no disks."""
    for device in sysfs.names("block"):
        if not device.startswith("md"):
            continue
        level = sysfs.attribute(f"block/{device}/md/level")
        if level is None:
            continue
        disks = (sysfs.attribute(f"block/{device}/md/raid_disks") or "").split(" ")[0]
        if disks.isdecimal() and level not in ("", "container", "imsm", "ddf"):
            yield RAID_DISKS(int(disks), device=device)
        yield DEGRADED(sysfs.number(f"block/{device}/md/degraded") or 0, device=device)


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the arrays of this host."""
    for array in parse(options.procfs.text_if_any("mdstat")):
        yield from samples(array)
    yield from in_sysfs(options.sysfs)


def _there(options: Options) -> bool:
    """Tell whether this kernel keeps arrays; one that hangs lets whoever looks at it wait."""
    return (options.procfs / "mdstat").exists()


PROBE = Probe(
    "mdadm", Options, run, (STATE, DISKS, REQUIRED, BLOCKS, SYNCED, RAID_DISKS, DEGRADED),
    job="node", target=this_host, converse=aside_where(_there, run),
)  # fmt: skip  # the metrics on one line
