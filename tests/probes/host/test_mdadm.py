from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import mdadm
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.machine import MDSTAT
from tests.probes.targets import values, within


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


def test_a_machine_without_arrays_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(mdadm.PROBE.look(mdadm.Options(procfs=Tree(tmp_path), sysfs=Tree(tmp_path)))(within(5))) == []
