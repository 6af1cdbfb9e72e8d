"""What the kernel counts of IP, ICMP, TCP and UDP."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

# What node_exporter takes by default, by the group in which the kernel counts it.
_COUNTED: Final = """
    Icmp_InErrors Icmp_InMsgs Icmp_OutMsgs Icmp6_InErrors Icmp6_InMsgs Icmp6_OutMsgs
    Ip_Forwarding Ip6_InOctets Ip6_OutOctets IpExt_InOctets IpExt_OutOctets
    Tcp_ActiveOpens Tcp_CurrEstab Tcp_InErrs Tcp_InSegs Tcp_OutRsts Tcp_OutSegs Tcp_PassiveOpens
    Tcp_RetransSegs
    TcpExt_ListenDrops TcpExt_ListenOverflows TcpExt_SyncookiesFailed TcpExt_SyncookiesRecv
    TcpExt_SyncookiesSent TcpExt_TCPOFOQueue TcpExt_TCPRcvQDrop TcpExt_TCPSynRetrans TcpExt_TCPTimeouts
    Udp_InDatagrams Udp_InErrors Udp_NoPorts Udp_OutDatagrams Udp_RcvbufErrors Udp_SndbufErrors
    Udp6_InDatagrams Udp6_InErrors Udp6_NoPorts Udp6_OutDatagrams Udp6_RcvbufErrors Udp6_SndbufErrors
    UdpLite_InErrors UdpLite6_InErrors
"""
_METRICS: Final = {
    key: Metric(f"node_netstat_{key}", f"What the kernel counts as {key}.", "untyped")
    for key in _COUNTED.split()
}


@lru_cache(maxsize=64)  # the lines of names are long, and stay the same until the next boot
def _columns(names: str) -> tuple[int, tuple[tuple[int, Metric], ...]]:
    """Return how many columns a line of names has, and which of them are known."""
    group, *keys = names.split()
    known = ((column, _METRICS.get(f"{group[:-1]}_{key}")) for column, key in enumerate(keys))
    return len(keys), tuple((column, metric) for column, metric in known if metric is not None)


def parse(table: str) -> Iterator[Sample]:
    """Yield the known counts of /proc/net/netstat or /proc/net/snmp (proc_pid_net(5)).

    There each group has two lines that begin with its name: one of names, then one of values.
    """
    lines = table.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        width, known = _columns(names)
        counts = values.split()[1:]
        if len(counts) != width:
            raise ValueError(f"{width} names have {len(counts)} values: {names[:40]!r}")
        for column, metric in known:
            yield metric(int(counts[column]))


def parse6(table: str) -> Iterator[Sample]:
    """Yield the known counts of /proc/net/snmp6, where the group's name ends in the first 6 of a line."""
    for line in table.split("\n"):
        group, six, rest = line.partition("6")
        key, *counts = rest.split()[:2] or [""]
        metric = _METRICS.get(f"{group}{six}_{key}")
        if metric is not None and counts:
            yield metric(int(counts[0]))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the counts of this host."""
    yield from parse(options.procfs.text("net/netstat"))
    yield from parse(options.procfs.text("net/snmp"))
    yield from parse6(options.procfs.text_if_any("net/snmp6"))  # without IPv6 there is none


PROBE = Probe(
    "netstat", Procfs, run, tuple(_METRICS.values()), job="node", target=this_host, converse=at_once(run)
)
