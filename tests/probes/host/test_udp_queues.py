from __future__ import annotations

from pathlib import Path

from probes.host import udp_queues
from tests.probes.host.seen import told


def test_queues_of_udp_are_summed(tmp_path: Path) -> None:
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    rows = "".join(
        f"  {n}: 00000000:0016 00000000:0000 07 0000000A:00000{n}00 00:00000000 00000000 0 0 1\n"
        for n in (1, 2)
    )
    assert told(udp_queues.PROBE, tmp_path, {"net/udp": head + rows}) == {
        'node_udp_queues{ip="v4", queue="tx"}': 20,
        'node_udp_queues{ip="v4", queue="rx"}': 0x300,
    }


def test_a_host_without_any_udp_is_no_trouble(tmp_path: Path) -> None:
    assert told(udp_queues.PROBE, tmp_path, {"other": ""}) == {}
