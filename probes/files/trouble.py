r"""The kernel's trouble list: what its log says when something is wrong, by the names that the packs use.

The names are those of node-problem-detector where it has one. A line that begins with the name of a process
begins with what a user chose, up to 15 bytes of it; such lines are known by what comes next, and count as
nothing else. Expressions that need not stand at the start of a line say nothing that harms if it is forged.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from probes.files.tally import LineRegex, Wanted

_OF_A_PROCESS: Final = r"^.{1,15}(\[\d+\]: |: page allocation failure: | invoked oom-killer: )"

_LINES: Final = {
    "OOMKilling": r"^((Out of memory|Memory cgroup out of memory)[^:]*: )?Killed process \d+ \(.*total-vm:\d",
    "TaskHung": r"^INFO: task .+:\d+ blocked .*for more than \d+ seconds\.",
    "CpuLockup": r"^(NMI )?watchdog: (BUG: soft lockup - CPU#\d+ stuck|Watchdog detected hard LOCKUP on cpu)",
    "RcuStall": r"^(rcu: )?INFO: rcu_\w+ (self-)?detected (expedited )?stalls? on CPU",
    "KernelOops": r"^(BUG: (unable to handle|kernel NULL pointer|scheduling while atomic|Bad page)"
    r"|Unable to handle kernel |kernel BUG at .+:\d+!|Internal error: Oops"
    r"|(Oops: )?(general protection fault|divide error|invalid opcode|Oops).*: [0-9a-f]{4} \[#\d+\])",
    "Ext4Error": r"^EXT4-fs error \(device ",
    "XfsError": r"^XFS \(\S+\): (Metadata (corruption|CRC error) detected|Corruption (detected|of)"
    r"|Internal error |metadata I/O error|[Ll]og I/O [Ee]rror)",
    "BtrfsError": r"^BTRFS:? (error|critical) \(device ",
    "FilesystemIsReadOnly": r"^(\S+-fs \(\S+\): (Remounting filesystem|Filesystem has been set) read-only"
    r"|BTRFS \w+ \(device [^)]+\): forced readonly)",
    "XfsHasShutdown": r"^XFS \(\S+\): .*(Shutting down filesystem|Filesystem has been shut down)",
    "IOError": r"^(Buffer I/O error on dev |(\w+: )?(I/O|critical medium|critical target|critical nexus"
    r"|critical space allocation|protection) error, dev )",
    "DiskTimeout": r"^(nvme nvme\d+: I/O .*timeout|ata\d+(\.\d+)?: exception Emask"
    r"|sd \S+ .*timing out command)",
    "RaidDegraded": r"^md/raid\w*:\w+: Disk failure on ",
    "MachineCheck": r"^(mce: \[Hardware Error\]: (Machine check events logged|CPU \d+: Machine Check)"
    r"|\{\d+\}\[Hardware Error\]: Hardware error from APEI)",
    "MemoryReadError": r"^EDAC MC\d+: \d+ [CU]E ",
    "ConntrackFull": r"^(nf_conntrack: ){1,2}table full.*dropping packet",
    "NeighbourTableFull": r"^(neighbour: )?(\w+_cache: )?[Nn]eighbou?r table overflow",
    "TcpMemoryFull": r"^TCP: (out of memory -- consider tuning tcp_mem|too many orphaned sockets)",
    "SynFlooding": r"^(TCP: )?(request_sock_\w+: )?Possible SYN flooding on port ",
    "LinkFlap": r"(NIC |: )[Ll]ink (is )?[Dd]own\b|^bond\w*: .*link status definitely down",
    "UnregisterNetDevice": r"^unregister_netdevice: waiting for \S+ to become free\. Usage count = ",
    "ThermalThrottling": r"^(mce: )?CPU\d+: (Core|Package) temperature (is )?above threshold, cpu clock ",
}
_PROCESS_LINES: Final = {
    "PageAllocationFailure": r"^.{1,15}: page allocation failure: order:\d+, mode:",
    "SegfaultStorm": r"^(.{1,15}\[\d+\]: segfault at [0-9a-f]+ ip "
    r"|traps: .{1,15}\[\d+\] (general protection|trap ))",
}
# A drive without a medium in it fails whenever it is asked.
_UNLESS: Final = {"IOError": rf"{_OF_A_PROCESS}|\bdev (fd|sr)\d+,"}


@cache
def troubles() -> tuple[Wanted, ...]:
    """Return the list; its expressions are compiled only on a host that reads its kernel's log."""
    return (
        *(
            Wanted(name, LineRegex(text), LineRegex(_UNLESS.get(name, _OF_A_PROCESS)))
            for name, text in _LINES.items()
        ),
        *(Wanted(name, LineRegex(text)) for name, text in _PROCESS_LINES.items()),
    )
