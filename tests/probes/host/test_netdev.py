from __future__ import annotations

from pathlib import Path

import pytest

from model.decode import decode
from probes.host import netdev
from tests.probes.host.exporter import plant
from tests.probes.host.seen import told
from tests.probes.targets import values, within

HEAD = "Inter-| Receive | Transmit\n face |bytes | bytes\n"


def test_a_network_device_is_told_with_what_nobody_wanted(tmp_path: Path) -> None:
    lines = f"  eth0: {' '.join(map(str, range(1, 17)))}\n veth:1:{' '.join(['0'] * 16)}\n"
    files = {"net/dev": HEAD + lines, "class/net/eth0/statistics/rx_nohandler": "17\n"}
    found = told(netdev.PROBE, tmp_path, files)
    assert found['node_network_receive_bytes_total{device="eth0"}'] == 1
    assert found['node_network_transmit_compressed_total{device="eth0"}'] == 16
    assert found['node_network_receive_nohandler_total{device="eth0"}'] == 17
    assert found['node_network_receive_bytes_total{device="veth:1"}'] == 0
    assert len(found) == 33


def test_a_line_with_too_few_columns_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        told(netdev.PROBE, tmp_path, {"net/dev": f"{HEAD} eth0: 1 2 3\n"})


def test_network_devices_can_be_chosen(tmp_path: Path) -> None:
    columns = " ".join(["0"] * 16)
    plant(tmp_path, {"net/dev": f"{HEAD} lo: {columns}\n eth0: {columns}\n"})
    text = f"{{device_exclude: '^lo$', procfs: {tmp_path}, sysfs: {tmp_path}}}"
    found = values(netdev.run(decode(text.encode(), "f", netdev.Options), within(5)))
    assert len(found) == 16
    assert all('device="eth0"' in key for key in found)
