"""What one probe says of a host that is made of a few files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.sight.bundle import HostBundle
from model.plugin import AnyProbe
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.targets import values, within


def told(probe: AnyProbe, folder: Path, files: Mapping[str, str]) -> dict[str, float]:
    """Write the files, and return what the probe says where they are /proc, /sys and / in one."""
    plant(folder, files)
    host = HostBundle(procfs=Tree(folder), sysfs=Tree(folder), rootfs=Tree(folder))
    return values(probe.look(host.options(probe))(within(10)))
