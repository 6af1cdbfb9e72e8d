"""What machine the host is, as its firmware tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Look, Probe
from model.sample import Metric, Sample
from probes.host.roots import Sysfs, this_host

# By the file of /sys/class/dmi/id; serial numbers are there for root alone.
_FILES: Final = {
    file: "system_vendor" if file == "sys_vendor" else file
    for file in (
        "bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name",
        "board_serial", "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial",
        "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial",
        "product_sku", "product_uuid", "product_version", "sys_vendor",
    )
}  # fmt: skip  # the files on a few lines

INFO = Metric("node_dmi_info", "What the firmware says of the machine.", labels=tuple(_FILES.values()))


@dataclass(slots=True)
class _Firmware:
    """What the firmware says; it cannot change before the next boot, so it is asked once."""

    options: Sysfs
    told: dict[str, str] | None = None

    def look(self, _deadline: Deadline) -> Iterator[Sample]:
        if self.told is None:
            sysfs = self.options.sysfs
            self.told = {
                label: sysfs.attribute(f"class/dmi/id/{file}") or "" for file, label in _FILES.items()
            }
        if any(self.told.values()):
            yield INFO(1, **self.told)


def begin(options: Sysfs) -> Look:
    """Return what tells it; nothing where there is no such firmware."""
    return _Firmware(options).look


PROBE = Probe("dmi", Sysfs, None, (INFO,), job="node", target=this_host, begin=begin)
