from __future__ import annotations

from pathlib import Path

from model.decode import decode
from probes.host import netclass
from tests.probes.host.seen import told
from tests.probes.targets import values, within


def test_a_device_that_does_not_tell_everything_is_told_as_far_as_it_does(tmp_path: Path) -> None:
    folder = "class/net/eth0"
    files = {f"{folder}/ifindex": "2", f"{folder}/operstate": "down", f"{folder}/speed": "-1"}
    assert told(netclass.PROBE, tmp_path, {**files, "class/net/bonding_masters": "bond0"}) == {
        'node_network_up{device="eth0"}': 0,
        'node_network_info{adminstate="unknown", device="eth0", operstate="down"}': 1,
        'node_network_iface_id{device="eth0"}': 2,
        'node_network_speed_bytes{device="eth0"}': -125_000,
    }
    text = f"{{ignore_invalid_speed: true, sysfs: {tmp_path}}}"
    knowing = values(netclass.run(decode(text.encode(), "f", netclass.Options), within(5)))
    assert 'node_network_speed_bytes{device="eth0"}' not in knowing
    ignoring = decode(f"{{ignored_devices: '^eth', sysfs: {tmp_path}}}".encode(), "f", netclass.Options)
    assert values(netclass.run(ignoring, within(5))) == {}
