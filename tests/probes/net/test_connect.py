from __future__ import annotations

import errno
import resource
import socket
import time

import pytest

from model.conversation import Address, Connect, Conversation
from model.plugin import Deadline
from probes.net import connect
from probes.net.address import Endpoint
from probes.net.blocking import hold
from probes.net.connect import Connection, Trace, Unhealthy, fingerprint, judged, resolve, sooner
from probes.net.way import ANY_WAY, Way
from tests.probes.targets import listening, unused_port, within

FOUR = Address(socket.AF_INET, ("192.0.2.1", 80))
SIX = Address(socket.AF_INET6, ("2001:db8::1", 80, 0, 0))


def test_the_preferred_ip_version_is_chosen_and_the_other_is_better_than_none() -> None:
    assert Way("ip4").choose([SIX, FOUR]) is FOUR
    assert Way("ip6").choose([FOUR, SIX]) is SIX
    assert Way("ip4").choose([SIX]) is SIX
    assert Way("ip4", fallback=False).choose([SIX]) is None
    assert Way("ip4").choose([]) is None


def test_the_fingerprint_of_an_address_is_fnv1a_32() -> None:
    value = 2166136261
    for byte in (192, 0, 2, 1):
        value = ((value ^ byte) * 16777619) % 2**32
    assert fingerprint(FOUR) == value
    assert fingerprint(SIX) != value


def test_an_ip_address_asks_no_resolver() -> None:
    assert resolve(Endpoint("192.0.2.1", 80)) == FOUR
    assert resolve(Endpoint("2001:db8::1", 80)) == SIX


def test_a_name_that_nobody_knows_is_a_fact() -> None:
    with pytest.raises(Unhealthy, match=r"nowhere\.invalid has no address"):
        resolve(Endpoint("nowhere.invalid", 80))


def test_a_phase_counts_also_when_it_fails() -> None:
    trace = Trace.start(time.monotonic)
    with judged(trace):
        hold(connect.connect(Endpoint("127.0.0.1", unused_port()), ANY_WAY, trace, 100), within(5))
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
                hold(connect.connect(Endpoint("127.0.0.1", port), ANY_WAY, trace, 100), within(5))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert wrong.value.errno == errno.EMFILE
    assert trace.failure == ""


def test_a_connection_to_itself_is_none() -> None:
    opening = Connection(100).open(FOUR)
    assert next(opening) == Connect(FOUR)
    with pytest.raises(Unhealthy, match="nobody listens"):
        opening.send(FOUR.sockaddr)


def test_a_target_that_sends_without_end_is_left() -> None:
    trace = Trace.start(time.monotonic)

    def read_all(port: int) -> Conversation[None]:
        line = yield from connect.connect(Endpoint("127.0.0.1", port), ANY_WAY, trace, 100_000)
        while (yield from line.take(1000)):
            pass

    with listening(lambda connection: connection.socket.sendall(b"x" * 2_000_000)) as port, judged(trace):
        hold(read_all(port), within(5))
    assert trace.failure == "the target sends without end"
