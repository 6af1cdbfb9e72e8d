from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import nvme
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import SYS
from tests.probes.targets import values


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(plant(tmp_path / "sys", SYS))


def test_the_size_of_a_namespace_is_in_sectors_whatever_its_blocks_are(sysfs: Tree) -> None:
    told = values(nvme.samples(sysfs))
    assert told['node_nvme_namespace_size_bytes{device="nvme0", nsid="1"}'] == 2_000_000_000_000
    assert told['node_nvme_namespace_used_bytes{device="nvme0", nsid="1"}'] == 2_000_000_000_000
    assert told['node_nvme_namespace_info{ana_state="unknown", device="nvme0", nsid="1"}'] == 1


def test_a_machine_without_nvme_drives_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(nvme.samples(Tree(tmp_path))) == []
