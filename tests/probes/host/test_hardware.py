"""What the hardware's probes do with what node_exporter never sees, or sees otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.decode import decode
from probes.host import bonding, edac, hwmon, mdadm, nvme, powersupplyclass, thermal_zone, time, timex
from probes.host.adjtimex import Clock
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import MDSTAT, SYS
from tests.probes.targets import values, within


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


def test_the_size_of_a_namespace_is_in_sectors_whatever_its_blocks_are(sysfs: Tree) -> None:
    told = values(nvme.samples(sysfs))
    assert told['node_nvme_namespace_size_bytes{device="nvme0", nsid="1"}'] == 2_000_000_000_000
    assert told['node_nvme_namespace_used_bytes{device="nvme0", nsid="1"}'] == 2_000_000_000_000
    assert told['node_nvme_namespace_info{ana_state="unknown", device="nvme0", nsid="1"}'] == 1


def test_a_channel_of_memory_is_told_with_its_module(sysfs: Tree) -> None:
    told = values(edac.samples(sysfs))
    labels = 'channel="0", controller="0", csrow="0", dimm_label="mc0_csrow0_channel0"'
    assert told[f"node_edac_channel_correctable_errors_total{{{labels}}}"] == 3
    assert edac.dimm_label(None) == "unknown"


def test_what_sysfs_says_of_an_array_is_added(tmp_path: Path) -> None:
    files = {
        "block/md1/md/level": "raid5\n", "block/md1/md/raid_disks": "4 (3)\n", "block/md1/md/degraded": "1\n",
        "block/md127/md/level": "container\n", "block/md127/md/raid_disks": "0\n", "block/sda/size": "1\n",
    }  # fmt: skip  # file and content
    assert values(mdadm.in_sysfs(Tree(plant(tmp_path, files)))) == {
        'node_md_raid_disks{device="md1"}': 4,
        'node_md_degraded{device="md1"}': 1,
        'node_md_degraded{device="md127"}': 0,
    }


def test_an_array_without_its_status_is_trouble() -> None:
    with pytest.raises(ValueError, match="is not followed by its status"):
        list(mdadm.parse("md0 : active raid1 sdb1[1] sda1[0]\n"))


def test_an_array_that_waits_to_be_synchronised_has_nothing_in_sync() -> None:
    by_name = {array.device: array for array in mdadm.parse(MDSTAT)}
    assert (by_name["md3"].state, by_name["md3"].synced) == ("resync", 0)
    assert (by_name["md2"].state, by_name["md2"].synced) == ("recovering", 16775552)


def test_a_machine_without_any_of_it_has_nothing_to_tell(tmp_path: Path) -> None:
    empty = Tree(tmp_path)
    for samples in (thermal_zone.samples, edac.samples, nvme.samples, bonding.samples, time.sources):
        assert list(samples(empty)) == []
    assert list(hwmon.samples(hwmon.Options(sysfs=empty))) == []
    assert list(powersupplyclass.samples(powersupplyclass.Options(sysfs=empty))) == []
    assert list(mdadm.PROBE.look(mdadm.Options(procfs=empty, sysfs=empty))(within(5))) == []


def test_a_device_that_goes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    files = {"class/thermal/thermal_zone0/type": "acpitz\n", "class/thermal/cooling_device0/cur_state": "1\n"}
    assert list(thermal_zone.samples(Tree(plant(tmp_path, files)))) == []


def test_a_supply_can_be_left_out(sysfs: Tree) -> None:
    text = f"{{sysfs: {sysfs.path}, ignored_supplies: '^BAT'}}"
    told = values(powersupplyclass.samples(decode(text.encode(), "f", powersupplyclass.Options)))
    assert told['node_power_supply_online{power_supply="AC"}'] == 1
    assert not any("BAT0" in series for series in told)


@pytest.mark.parametrize("fraction_s", [1e-6, 1e-9])
def test_the_kernels_units_become_seconds_and_ratios(fraction_s: float) -> None:
    names = "offset freq maxerror esterror status constant tick tai ppsfreq jitter shift stabil jitcnt calcnt"
    numbers = dict.fromkeys([*names.split(), "errcnt", "stbcnt"], 65_536_000)
    told = values(timex.samples(Clock(False, 0.0, fraction_s, numbers)))
    assert told["node_timex_sync_status"] == 0
    assert told["node_timex_offset_seconds"] == pytest.approx(65_536_000 * fraction_s)
    assert told["node_timex_pps_jitter_seconds"] == pytest.approx(65_536_000 * fraction_s)
    assert told["node_timex_maxerror_seconds"] == pytest.approx(65.536)
    assert told["node_timex_frequency_adjustment_ratio"] == pytest.approx(1.001)
    assert told["node_timex_tai_offset_seconds"] == 65_536_000


def test_the_local_zone_is_named_with_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert time.zone_at(1_735_700_000) == ("CET", 3600)
    assert time.zone_at(1_751_300_000) == ("CEST", 7200)
    monkeypatch.undo()
    time.zone_at(0)  # the C library remembers the zone until it is asked again
