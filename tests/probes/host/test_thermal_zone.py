from __future__ import annotations

from pathlib import Path

from probes.host import thermal_zone
from probes.host.roots import Tree
from tests.probes.host.exporter import plant


def test_a_device_that_goes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    files = {"class/thermal/thermal_zone0/type": "acpitz\n", "class/thermal/cooling_device0/cur_state": "1\n"}
    assert list(thermal_zone.samples(Tree(plant(tmp_path, files)))) == []


def test_a_machine_without_thermal_zones_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(thermal_zone.samples(Tree(tmp_path))) == []
