from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import arp
from tests.probes.host.seen import told


def test_neighbours_are_counted_by_device(tmp_path: Path) -> None:
    head = "IP address       HW type     Flags       HW address            Mask     Device\n"
    rows = "".join(f"10.0.0.{n} 0x1 0x2 aa:bb:cc:dd:ee:0{n} * eth{n % 2}\n" for n in range(3))
    assert told(arp.PROBE, tmp_path, {"net/arp": head + rows}) == {
        'node_arp_entries{device="eth0"}': 2,
        'node_arp_entries{device="eth1"}': 1,
    }


def test_a_missing_table_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        told(arp.PROBE, tmp_path, {"other": ""})
