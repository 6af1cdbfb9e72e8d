"""How many TCP connections are in each state, and how much waits in their queues."""

from __future__ import annotations

import os
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Procfs, this_host

STATES = Metric(
    "node_tcp_connection_states", "Connections by state, and bytes in their queues.", labels=("state",)
)

# By the kernel's numbers (include/net/tcp_states.h).
_STATES: Final = {
    1: "established", 2: "syn_sent", 3: "syn_recv", 4: "fin_wait1", 5: "fin_wait2", 6: "time_wait",
    7: "close", 8: "close_wait", 9: "last_ack", 10: "listen", 11: "closing",
}  # fmt: skip  # the states on two lines

# sock_diag(7) and netlink(7). /proc/net/tcp says the same at many times the cost.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x301
_ERROR: Final = 2
_DONE: Final = 3
_ALL_STATES: Final = 0xFFF
_REQUEST: Final = struct.Struct("=LHHLL BBxxL 48x")
_HEADER: Final = struct.Struct("=LH")
_HEADER_BYTES: Final = 16
_ANSWER: Final = struct.Struct("=xB 54x LL")  # of struct inet_diag_msg: state, then both queues
_ERRNO: Final = struct.Struct("=l")
_RECEIVE_BYTES: Final = 1 << 18


def request(family: int) -> bytes:
    """Return the question for all TCP sockets of one family, in any state."""
    return _REQUEST.pack(
        _REQUEST.size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0, family, socket.IPPROTO_TCP, _ALL_STATES
    )


def take(answer: bytes | memoryview, counts: Counter[str]) -> bool:
    """Count the sockets of one datagram of answers; return whether it was the last."""
    at = 0
    while at + _HEADER_BYTES <= len(answer):
        size, kind = _HEADER.unpack_from(answer, at)
        body = at + _HEADER_BYTES
        if kind == _DONE:
            return True
        if kind == _ERROR:
            number = -_ERRNO.unpack_from(answer, body)[0]
            raise OSError(number, os.strerror(number))
        state, received, sent = _ANSWER.unpack_from(answer, body)
        counts[_STATES.get(state, "unknown")] += 1
        counts["rx_queued_bytes"] += received
        counts["tx_queued_bytes"] += sent
        at += (size + 3) & ~3
    return False


def count(family: int, counts: Counter[str], deadline: Deadline) -> None:
    """Count the TCP sockets of one family."""
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as kernel:
        kernel.settimeout(deadline.left_s())
        kernel.send(request(family))
        while not take(kernel.recv(_RECEIVE_BYTES), counts):
            kernel.settimeout(deadline.left_s())


def run(options: Procfs, deadline: Deadline) -> Iterator[Sample]:
    """Yield the count of each state that any connection is in."""
    counts: Counter[str] = Counter()
    count(socket.AF_INET, counts, deadline)
    if (options.procfs / "net/tcp6").exists():
        count(socket.AF_INET6, counts, deadline)
    for state, number in counts.items():
        yield STATES(number, state=state)


PROBE = Probe("tcpstat", Procfs, run, (STATES,), job="node", target=this_host)
