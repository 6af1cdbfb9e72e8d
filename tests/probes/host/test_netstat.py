from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import netstat
from tests.probes.host.seen import told


def test_a_group_of_netstat_is_read_by_its_names_in_any_order(tmp_path: Path) -> None:
    files = {
        "net/netstat": "TcpExt: New ListenDrops ListenOverflows\nTcpExt: 1 2 3\n",
        "net/snmp": "Tcp: CurrEstab MaxConn\nTcp: 5 -1\nUdp: InErrors\nUdp: 6\n",
        "net/snmp6": "Ip6InOctets   \t7\nUdp6InErrors\t8\nIcmp6OutType143\t9\nodd\n",
    }
    assert told(netstat.PROBE, tmp_path, files) == {
        "node_netstat_TcpExt_ListenDrops": 2,
        "node_netstat_TcpExt_ListenOverflows": 3,
        "node_netstat_Tcp_CurrEstab": 5,
        "node_netstat_Udp_InErrors": 6,
        "node_netstat_Ip6_InOctets": 7,
        "node_netstat_Udp6_InErrors": 8,
    }


def test_a_host_without_ipv6_has_no_counts_of_it(tmp_path: Path) -> None:
    files = {"net/netstat": "IpExt: InOctets\nIpExt: 4\n", "net/snmp": "Ip: Forwarding\nIp: 2\n"}
    assert told(netstat.PROBE, tmp_path, files) == {
        "node_netstat_IpExt_InOctets": 4,
        "node_netstat_Ip_Forwarding": 2,
    }


def test_names_without_their_values_are_trouble(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 names have 1 values: 'IpExt:"):
        told(
            netstat.PROBE, tmp_path, {"net/netstat": "IpExt: InOctets OutOctets\nIpExt: 4\n", "net/snmp": ""}
        )
