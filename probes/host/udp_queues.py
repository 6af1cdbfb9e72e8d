"""How many bytes wait in the queues of all UDP sockets together."""

from __future__ import annotations

from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Procfs, this_host

QUEUES = Metric("node_udp_queues", "Bytes that wait in UDP sockets.", labels=("queue", "ip"))


def parse(table: str, ip: str) -> Iterator[Sample]:
    """Yield the sums of /proc/net/udp or udp6, whose fifth column is ``tx:rx`` in hexadecimal (proc(5))."""
    sent = received = 0
    for line in table.split("\n")[1:]:
        columns = line.split(None, 5)
        if len(columns) > 5:
            tx, _, rx = columns[4].partition(":")
            sent += int(tx, 16)
            received += int(rx, 16)
    yield QUEUES(sent, queue="tx", ip=ip)
    yield QUEUES(received, queue="rx", ip=ip)


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the sums for both kinds of addresses that this kernel knows."""
    for name, ip in (("udp", "v4"), ("udp6", "v6")):
        table = options.procfs.text_if_any(f"net/{name}")
        if table:
            yield from parse(table, ip)


PROBE = Probe("udp_queues", Procfs, run, (QUEUES,), job="node", target=this_host)
