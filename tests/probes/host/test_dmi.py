from __future__ import annotations

from pathlib import Path

from probes.host import dmi
from probes.host.roots import Sysfs, Tree
from tests.probes.host.exporter import plant
from tests.probes.host.seen import told
from tests.probes.targets import values, within


def test_the_firmware_is_asked_once_and_what_it_does_not_tell_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, {"class/dmi/id/sys_vendor": "Dell Inc.\n", "class/dmi/id/board_serial": "\n"})
    look = dmi.begin(Sysfs(Tree(tmp_path)))
    assert values(look(within(5))) == {'node_dmi_info{system_vendor="Dell Inc."}': 1}
    plant(tmp_path, {"class/dmi/id/sys_vendor": "Another\n"})
    assert values(look(within(5))) == {'node_dmi_info{system_vendor="Dell Inc."}': 1}


def test_a_machine_without_such_firmware_is_no_trouble(tmp_path: Path) -> None:
    assert told(dmi.PROBE, tmp_path, {"other": ""}) == {}
