from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import edac
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import SYS
from tests.probes.targets import values


@pytest.fixture
def sysfs(tmp_path: Path) -> Tree:
    return Tree(plant(tmp_path / "sys", SYS))


def test_a_channel_of_memory_is_told_with_its_module(sysfs: Tree) -> None:
    told = values(edac.samples(sysfs))
    labels = 'channel="0", controller="0", csrow="0", dimm_label="mc0_csrow0_channel0"'
    assert told[f"node_edac_channel_correctable_errors_total{{{labels}}}"] == 3
    assert edac.dimm_label(None) == "unknown"


def test_a_machine_without_memory_controllers_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(edac.samples(Tree(tmp_path))) == []
