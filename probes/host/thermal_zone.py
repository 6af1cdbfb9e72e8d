"""Temperatures of thermal zones and how hard their coolers work, named as node_exporter names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import Sysfs, Tree, this_host

TEMP = Metric("node_thermal_zone_temp", "The zone's temperature in degrees Celsius.", labels=("zone", "type"))
CUR_STATE = Metric("node_cooling_device_cur_state", "How hard the device cools.", labels=("name", "type"))
MAX_STATE = Metric("node_cooling_device_max_state", "How hard the device can cool.", labels=("name", "type"))

_FOLDER: Final = "class/thermal"


def samples(sysfs: Tree) -> Iterator[Sample]:
    """Yield each zone and cooler that tells its state (the kernel's thermal/sysfs-api)."""
    for name in sysfs.names(_FOLDER):
        kind = sysfs.attribute(f"{_FOLDER}/{name}/type") or ""
        if name.startswith("thermal_zone"):
            temp = sysfs.number(f"{_FOLDER}/{name}/temp")
            if temp is not None:
                yield TEMP(temp / 1000, zone=name.removeprefix("thermal_zone"), type=kind)
        elif name.startswith("cooling_device"):
            now = sysfs.number(f"{_FOLDER}/{name}/cur_state")
            most = sysfs.number(f"{_FOLDER}/{name}/max_state")
            if now is not None and most is not None:
                number = name.removeprefix("cooling_device")
                yield CUR_STATE(now, name=number, type=kind)
                yield MAX_STATE(most, name=number, type=kind)


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the thermal state of this host."""
    return samples(options.sysfs)


def _there(options: Sysfs) -> bool:
    """Tell whether there is a zone or cooler to ask; firmware may answer slowly."""
    return bool(options.sysfs.names(_FOLDER))


PROBE = Probe(
    "thermal_zone",
    Sysfs,
    run,
    (TEMP, CUR_STATE, MAX_STATE),
    job="node",
    target=this_host,
    converse=aside_where(_there, run),
)
