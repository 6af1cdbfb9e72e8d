from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import icmp
from probes.net.icmp import Options
from tests.probes.targets import values, within

ROOT = Path(__file__).resolve().parents[3]


def may_send() -> bool:
    """Tell whether this process may send echo requests at all."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return True
    return False


sends = pytest.mark.skipif(not may_send(), reason="echo requests may not be sent from here")


def run(text: str, limit_s: float = 5) -> dict[str, float]:
    return values(icmp.run(decode(text.encode(), "f", Options), within(limit_s)))


@sends
@pytest.mark.parametrize(
    "text",
    [
        "{target: 127.0.0.1}",
        "{target: localhost, payload_size: 1000, ttl: 7}",
        "{target: 127.0.0.1, dont_fragment: true, payload_size: 3}",
        "{target: 127.0.0.1, source_ip_address: 127.0.0.5}",
    ],
)
def test_this_machine_replies(text: str) -> None:
    told = run(text)
    assert (told["probe_success"], told["probe_ip_protocol"]) == (1, 4)
    assert told["probe_icmp_reply_hop_limit"] == 64
    assert 0 < told['probe_icmp_duration_seconds{phase="rtt"}'] < 5


@sends
@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_this_machine_replies_over_ipv6() -> None:
    told = run("{target: '::1', payload_size: 2000, ttl: 3}")
    assert (told["probe_success"], told["probe_ip_protocol"]) == (1, 6)
    assert told["probe_icmp_reply_hop_limit"] == 64


IN_A_NETWORK_OF_ITS_OWN = """
import sys, time
from model.decode import decode
from model.plugin import Deadline, Remark
from probes.net import icmp
for text in sys.argv[1:]:
    options = decode(text.encode(), "f", icmp.Options)
    for one in icmp.run(options, Deadline(time.monotonic() + 2, time.monotonic)):
        if isinstance(one, Remark) or one.labels.name in ("probe_success", "probe_icmp_reply_hop_limit"):
            print(one.text if isinstance(one, Remark) else f"{one.labels} {one.value:g}")
"""


def alone(group_range: str, *texts: str) -> list[str]:
    """Run the probe in a network namespace where only loopback is, and only this group may ping."""
    script = (
        'ip link set lo up 2>/dev/null || ifconfig lo up; echo "$RANGE" >/proc/sys/net/ipv4/ping_group_range;'
        ' exec "$@"'
    )
    argv = [
        "unshare",
        "--net",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-c",
        IN_A_NETWORK_OF_ITS_OWN,
        *texts,
    ]
    environment = {**os.environ, "RANGE": group_range, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=50, env=environment, check=False)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("no network namespace may be made here")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.needs("unshare")
@pytest.mark.parametrize("group_range", ["0 0", "1 0"], ids=["ping socket", "raw socket"])
def test_both_kinds_of_socket_do_the_same(group_range: str) -> None:
    replied = ["probe_success 1", "probe_icmp_reply_hop_limit 64"]
    assert alone(group_range, "{target: 127.0.0.1}", "{target: '::1', payload_size: 70}") == replied * 2


@pytest.mark.needs("unshare")
def test_a_target_without_a_way_is_a_fact_and_a_silent_one_too() -> None:
    told = alone(
        "0 0", "{target: 192.0.2.1}", "{target: 127.0.0.1, payload_size: 65500, dont_fragment: true}"
    )
    assert told == [
        "probe_success 0",
        "the target cannot be reached: Network is unreachable",
        "probe_success 1",
        "probe_icmp_reply_hop_limit 64",
    ]


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert icmp._checksum(bytes.fromhex("0001f203f4f5f6f7")) == bytes.fromhex("220d")
    assert icmp._checksum(b"\x01") == b"\xfe\xff"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{target: 'a:80'}", "'a:80' is a host with a port"),
        (b"{target: a, payload_size: 70000}", "no packet carries 70000 bytes"),
        (b"{target: a, ttl: 256}", "256 hops cannot be asked for"),
        (b"{target: a, source_ip_address: b}", "'b' is not an IP address"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)


def test_a_host_that_may_send_nothing_has_unknown_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise PermissionError("no")

    options = decode(b"{target: 127.0.0.1}", "f", Options)
    monkeypatch.setattr(socket, "socket", refused)
    with pytest.raises(PermissionError, match=r"widen net\.ipv4\.ping_group_range"):
        icmp.look(options, within(5))
