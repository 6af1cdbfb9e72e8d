from __future__ import annotations

from pathlib import Path

import pytest

from model.decode import decode
from probes.host import powersupplyclass
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import SYS
from tests.probes.targets import values


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(plant(tmp_path / "sys", SYS))


def test_a_supply_can_be_left_out(sysfs: Tree) -> None:
    text = f"{{sysfs: {sysfs.path}, ignored_supplies: '^BAT'}}"
    told = values(powersupplyclass.samples(decode(text.encode(), "f", powersupplyclass.Options)))
    assert told['node_power_supply_online{power_supply="AC"}'] == 1
    assert not any("BAT0" in series for series in told)


def test_a_machine_without_power_supplies_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(powersupplyclass.samples(powersupplyclass.Options(sysfs=Tree(tmp_path)))) == []
