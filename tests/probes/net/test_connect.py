from __future__ import annotations

import errno
import resource
import socket
import time

import pytest

from model.plugin import Deadline
from probes.net import connect
from probes.net.address import Endpoint
from probes.net.connect import Address, Connection, Trace, Unhealthy, choose, judged, resolve, sooner
from tests.probes.targets import listening, unused_port, within

FOUR = Address(socket.AF_INET, ("192.0.2.1", 80))
SIX = Address(socket.AF_INET6, ("2001:db8::1", 80, 0, 0))


def test_the_preferred_ip_version_is_chosen_and_the_other_is_better_than_none() -> None:
    assert choose([SIX, FOUR], "ip4") is FOUR
    assert choose([FOUR, SIX], "ip6") is SIX
    assert choose([SIX], "ip4") is SIX
    assert choose([], "ip4") is None


def test_the_fingerprint_of_an_address_is_fnv1a_32() -> None:
    value = 2166136261
    for byte in (192, 0, 2, 1):
        value = ((value ^ byte) * 16777619) % 2**32
    assert FOUR.fingerprint() == value
    assert SIX.fingerprint() != value


def test_an_ip_address_asks_no_resolver() -> None:
    assert resolve(Endpoint("192.0.2.1", 80), "ip4") == FOUR
    assert resolve(Endpoint("2001:db8::1", 80), "ip4") == SIX


def test_a_name_that_nobody_knows_is_a_fact() -> None:
    with pytest.raises(Unhealthy, match=r"nowhere\.invalid has no address"):
        resolve(Endpoint("nowhere.invalid", 80), "ip4")


def test_a_phase_counts_also_when_it_fails() -> None:
    trace = Trace.start(time.monotonic)
    with judged(trace):
        connect.connect(Endpoint("127.0.0.1", unused_port()), "ip4", trace, within(5), 100)
    assert trace.failure.startswith("the connection failed: Connection refused")
    assert set(trace.stopwatch.seconds) == {"resolve", "connect"}
    assert trace.address is not None


def test_phases_of_one_name_are_added_up() -> None:
    ticks = iter(range(100))
    stopwatch = connect.Stopwatch(lambda: float(next(ticks)))
    for _ in range(3):
        with stopwatch.phase("resolve"):
            pass
    assert stopwatch.seconds == {"resolve": 3.0}


def test_the_inner_deadline_leaves_time_to_tell() -> None:
    def clock() -> float:
        return 100.0

    assert sooner(Deadline(105.0, clock)).at_s == 104.75
    assert sooner(Deadline(100.5, clock)).at_s == pytest.approx(100.4)


def test_no_file_descriptor_left_is_trouble_of_the_probe_and_not_of_its_target() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    trace = Trace.start(time.monotonic)
    with listening(lambda _: None) as port:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files") as wrong, judged(trace):
                connect.connect(Endpoint("127.0.0.1", port), "ip4", trace, within(5), 100)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert wrong.value.errno == errno.EMFILE
    assert trace.failure == ""


def test_a_connection_to_itself_is_none() -> None:
    port = unused_port()
    connection = Connection(Address(socket.AF_INET, ("127.0.0.1", port)), within(5), 100)
    try:
        connection._socket.bind(("127.0.0.1", port))
        with pytest.raises(Unhealthy, match="nobody listens"):
            connection.open()
    finally:
        connection.close()


def test_a_target_that_sends_without_end_is_left() -> None:
    trace = Trace.start(time.monotonic)
    with listening(lambda connection: connection.socket.sendall(b"x" * 2_000_000)) as port, judged(trace):
        line = connect.connect(Endpoint("127.0.0.1", port), "ip4", trace, within(5), 100_000)
        try:
            while line.take(1000):
                pass
        finally:
            line.close()
    assert trace.failure == "the target sends without end"
