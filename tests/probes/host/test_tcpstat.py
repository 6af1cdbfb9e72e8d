from __future__ import annotations

import errno
import socket
import struct
from collections import Counter

import pytest

from model.plugin import Deadline, DeadlinePassed
from probes.host import tcpstat
from probes.host.roots import Procfs
from tests.probes.targets import values, within


def answer(state: int, received: int = 0, sent: int = 0, more: int = 0) -> bytes:
    body = struct.pack("=BB54xLL8x", socket.AF_INET, state, received, sent) + b"\0" * more
    size = 16 + len(body)
    return struct.pack("=LHHLL", size, 20, 2, 1, 0) + body + b"\0" * (-size % 4)


def test_sockets_of_a_datagram_are_counted_whatever_is_appended_to_them() -> None:
    counts: Counter[str] = Counter()
    data = answer(1, received=5, more=9) + answer(1, sent=7) + answer(10) + answer(13)
    assert tcpstat.take(data, counts) is False
    assert counts == {"established": 2, "listen": 1, "unknown": 1, "rx_queued_bytes": 5, "tx_queued_bytes": 7}
    assert tcpstat.take(struct.pack("=LHHLLl", 20, 3, 2, 1, 0, 0), counts) is True


def test_a_refusal_of_the_kernel_is_trouble_of_the_probe() -> None:
    refusal = struct.pack("=LHHLLl", 36, 2, 0, 1, 0, -errno.EPERM) + b"\0" * 16
    with pytest.raises(PermissionError):
        tcpstat.take(refusal, Counter())


def test_connections_of_this_host_are_counted_by_state_and_with_what_waits_in_them() -> None:
    before = values(tcpstat.run(Procfs(), within(10)))
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as server:
            with socket.create_connection(server.getsockname()[:2]) as ours, server.accept()[0]:
                ours.sendall(b"x" * 1000)
                told = values(tcpstat.run(Procfs(), within(10)))
            assert told['node_tcp_connection_states{state="listen"}'] >= 1
            assert told['node_tcp_connection_states{state="established"}'] >= 2
            assert told['node_tcp_connection_states{state="rx_queued_bytes"}'] >= 1000
    assert all(value >= 0 for value in before.values())


def test_no_more_is_read_after_the_deadline() -> None:
    with pytest.raises(DeadlinePassed):
        list(tcpstat.run(Procfs(), Deadline(1, lambda: 2.0)))
