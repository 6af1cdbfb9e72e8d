from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import bonding
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import SYS
from tests.probes.targets import values


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(plant(tmp_path / "sys", SYS))


def test_a_bond_is_told_with_how_many_of_its_links_work(sysfs: Tree) -> None:
    told = values(bonding.samples(sysfs))
    assert told['node_bonding_slaves{master="bond0"}'] == 2
    assert told['node_bonding_active{master="bond0"}'] == 1


def test_a_machine_without_bonds_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(bonding.samples(Tree(tmp_path))) == []
