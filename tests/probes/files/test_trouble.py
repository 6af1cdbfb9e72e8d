from __future__ import annotations

import re
from pathlib import Path

import pytest

from probes.files.tally import Tally
from probes.files.trouble import troubles
from tests.probes.files.scene import Seen

PACK = Path(__file__).resolve().parents[3] / "rules" / "packs" / "kernel-log.yml"

# What kernels from 4.19 to 6.12 print.
LINES = [
    ("OOMKilling", "Out of memory: Killed process 812 (java) total-vm:9123kB, anon-rss:80kB, file-rss:0kB"),
    ("OOMKilling", "Memory cgroup out of memory: Killed process 9 (a) b) total-vm:9123kB, anon-rss:80kB"),
    ("OOMKilling", "Killed process 812 (java) total-vm:9123kB, anon-rss:80kB, file-rss:0kB"),
    ("TaskHung", "INFO: task kworker/u8:1:4711 blocked for more than 120 seconds."),
    ("CpuLockup", "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [swapper/3:0]"),
    ("CpuLockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    ("RcuStall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    ("RcuStall", "INFO: rcu_sched self-detected stall on CPU"),
    ("KernelOops", "BUG: kernel NULL pointer dereference, address: 0000000000000008"),
    ("KernelOops", "BUG: unable to handle page fault for address: ffffffffc0a1b2c3"),
    ("KernelOops", "Oops: 0002 [#1] PREEMPT SMP NOPTI"),
    ("KernelOops", "Oops: general protection fault, probably for an address 0xdead: 0000 [#1] SMP"),
    ("KernelOops", "divide error: 0000 [#1] SMP PTI"),
    ("KernelOops", "kernel BUG at mm/slub.c:4321!"),
    ("KernelOops", "Unable to handle kernel paging request at virtual address dead000000000108"),
    ("Ext4Error", "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode"),
    ("XfsError", "XFS (dm-0): Metadata corruption detected at xfs_agf_read_verify+0x6a/0x120"),
    ("XfsError", "XFS (sdb1): metadata I/O error in \"xfs_buf_ioerror_alert\" at daddr 0x1 len 8 error 5"),
    ("BtrfsError", "BTRFS error (device sda2: state EA): bdev /dev/sda2 errs: wr 1, rd 0, flush 0"),
    ("BtrfsError", "BTRFS: error (device sda2) in btrfs_commit_transaction:2065: errno=-5 IO failure"),
    ("FilesystemIsReadOnly", "EXT4-fs (sda1): Remounting filesystem read-only"),
    ("FilesystemIsReadOnly", "BTRFS info (device sda2: state E): forced readonly"),
    ("FilesystemIsReadOnly", "FAT-fs (sdc1): Filesystem has been set read-only"),
    ("XfsHasShutdown", "XFS (dm-0): Filesystem has been shut down due to log error (0x2)."),
    ("XfsHasShutdown", "XFS (dm-0): I/O Error Detected. Shutting down filesystem"),
    ("IOError", "Buffer I/O error on dev sda1, logical block 1234, async page read"),
    ("IOError", "I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"),
    ("IOError", "blk_update_request: critical medium error, dev sdb, sector 2048"),
    ("DiskTimeout", "nvme nvme0: I/O tag 5 (1005) opcode 0x1 (I/O Cmd) QID 3 timeout, aborting req_op:WRITE"),
    ("DiskTimeout", "ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen"),
    ("RaidDegraded", "md/raid1:md0: Disk failure on sdb1, disabling device."),
    ("MachineCheck", "mce: [Hardware Error]: Machine check events logged"),
    ("MachineCheck", "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0"),
    ("MemoryReadError", "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1)"),
    ("ConntrackFull", "nf_conntrack: nf_conntrack: table full, dropping packet"),
    ("ConntrackFull", "nf_conntrack: nf_conntrack: table full in netns 4026531992, dropping packet"),
    ("NeighbourTableFull", "neighbour: arp_cache: neighbor table overflow!"),
    ("TcpMemoryFull", "TCP: out of memory -- consider tuning tcp_mem"),
    ("SynFlooding", "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Sending cookies."),
    ("LinkFlap", "e1000e 0000:00:1f.6 eth0: NIC Link is Down"),
    ("LinkFlap", "r8169 0000:02:00.0 enp2s0: Link is Down"),
    ("LinkFlap", "mlx5_core 0000:5e:00.0 ens1: Link down"),
    ("LinkFlap", "bond0: (slave eth1): link status definitely down, disabling slave"),
    ("UnregisterNetDevice", "unregister_netdevice: waiting for eth0 to become free. Usage count = 1"),
    ("ThermalThrottling", "mce: CPU3: Core temperature above threshold, cpu clock throttled (total events)"),
    ("PageAllocationFailure", "kworker/0:1: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL)"),
    ("SegfaultStorm", "nginx[812]: segfault at 0 ip 00005581 sp 00007ffe error 4 in nginx[5581+1000]"),
    ("SegfaultStorm", "traps: nginx[812] general protection fault ip:7f sp:7ffe error:0 in libc.so[7f+10]"),
]  # fmt: skip

QUIET = [
    "e1000e 0000:00:1f.6 eth0: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx",
    "ata2: SATA link down (SStatus 0 SControl 300)",
    "I/O error, dev sr0, sector 0 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
    "Buffer I/O error on dev fd0, logical block 0, async page read",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode",
    "EXT4-fs (sda1): re-mounted. Quota mode: none.",
    "XFS (dm-0): Mounting V5 Filesystem",
    "java invoked oom-killer: gfp_mask=0x1100cca, order=0, oom_score_adj=0",
    "oom_reaper: reaped process 812 (java), now anon-rss:0kB, file-rss:0kB",
    "IPv6: ADDRCONF(NETDEV_UP): eth0: link is not ready",
    "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)",
]


def told_of(line: str) -> list[str]:
    tally = Tally(troubles())
    tally.take_block(line, 0)
    seen = Seen(tuple(tally.seen())).values
    return [series.split('"')[1] for series, value in seen.items() if value]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_line_that_means_trouble_is_known_by_its_name(name: str, line: str) -> None:
    assert told_of(line) == [name]


@pytest.mark.parametrize("line", QUIET)
def test_a_line_that_means_none_is_not(line: str) -> None:
    assert told_of(line) == []


@pytest.mark.parametrize(
    "name", ["EXT4-fs error (", "Oops: 0000 [#1]", "md/raid1:md0: D", "TCP: out of mem", ": link down"]
)
def test_a_process_cannot_be_named_so_that_its_crash_looks_like_other_trouble(name: str) -> None:
    assert len(name) <= 15
    crash = f"{name}[812]: segfault at 0 ip 00005581 sp 00007ffe error 4 in : Link is Down[5581+1000]"
    assert told_of(crash) == ["SegfaultStorm"]


def test_every_kind_that_the_pack_has_rules_for_is_looked_for() -> None:
    selectors = re.findall(r'pattern=~?"([^"]+)"', PACK.read_text(encoding="utf-8"))
    asked = {name for selector in selectors for name in selector.split("|")}
    assert asked == {one.pattern for one in troubles()}
