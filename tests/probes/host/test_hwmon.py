from __future__ import annotations

from pathlib import Path

import pytest

from model.decode import decode
from probes.host import hwmon
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import SYS
from tests.probes.targets import values


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(plant(tmp_path / "sys", SYS))


def test_a_sensor_is_told_in_its_unit(sysfs: Tree) -> None:
    told = values(hwmon.samples(hwmon.Options(sysfs=sysfs)))
    assert told['node_hwmon_temp_celsius{chip="platform_coretemp_0", sensor="temp1"}'] == 55
    assert told['node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0", sensor="temp1"}'] == 0
    assert told['node_hwmon_fan_rpm{chip="nct6779_board", sensor="fan2"}'] == 1098
    assert 'node_hwmon_temp_celsius{chip="nct6779_board", sensor="temp1"}' not in told  # it says "broken"


def test_chips_and_sensors_can_be_left_out(sysfs: Tree) -> None:
    text = f"{{sysfs: {sysfs.path}, chips_exclude: nct, sensors_exclude: 'coretemp_0;temp2'}}"
    told = values(hwmon.samples(decode(text.encode(), "f", hwmon.Options)))
    assert not any("nct6779" in series or "temp2" in series for series in told)
    assert any("temp1" in series for series in told)


def test_two_chips_of_one_device_have_two_names(tmp_path: Path) -> None:
    folders = {f"devices/a/hwmon{number}/temp1_input": "1000\n" for number in range(3)}
    links = {f"class/hwmon/hwmon{number}": f"->../../devices/a/hwmon{number}" for number in range(3)}
    device = {f"devices/a/hwmon{number}/device": "->../../a" for number in range(3)}
    names = {
        "devices/a/hwmon0/name": "fan\n",
        "devices/a/hwmon1/name": "wmi\n",
        "devices/a/hwmon2/name": "wmi\n",
    }
    sysfs = Tree(plant(tmp_path / "sys", folders | links | device | names))
    assert list(hwmon.chips(sysfs)) == ["devices_a_fan", "devices_a_hwmon1", "devices_a_hwmon2"]


def test_a_clock_of_a_chip_is_known_by_its_label(tmp_path: Path) -> None:
    files = {"freq1_input": "214000000\n", "freq1_label": "sclk\n", "freq2_input": "1\n", "name": "amdgpu\n"}
    sysfs = Tree(
        plant(tmp_path / "sys", {f"class/hwmon/hwmon0/{name}": text for name, text in files.items()})
    )
    told = values(hwmon.samples(hwmon.Options(sysfs=sysfs)))
    assert told['node_hwmon_freq_freq_mhz{chip="amdgpu", sensor="sclk"}'] == 214
    assert not any("freq2" in series for series in told)


def test_a_machine_without_sensors_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(hwmon.samples(hwmon.Options(sysfs=Tree(tmp_path)))) == []
