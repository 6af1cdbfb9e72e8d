"""The host's time of day, its zone and its clock source, named as node_exporter names them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.adjtimex import clock
from probes.host.prompt import at_once
from probes.host.roots import Sysfs, Tree, this_host

SECONDS = Metric("node_time_seconds", "The host's time in seconds since 1970.")
ZONE = Metric("node_time_zone_offset_seconds", "Local time less UTC.", labels=("time_zone",))
AVAILABLE = Metric(
    "node_time_clocksource_available_info",
    "A clock source that could be used.",
    labels=("clocksource", "device"),
)
CURRENT = Metric(
    "node_time_clocksource_current_info", "The clock source in use.", labels=("clocksource", "device")
)

_SOURCES: Final = "devices/system/clocksource"


class _Broken(ctypes.Structure):
    """``struct tm`` of localtime(3), of which only the zone is of interest."""

    _fields_ = (
        ("date", ctypes.c_int * 9),
        ("offset_s", ctypes.c_long),
        ("zone", ctypes.c_char_p),
    )


_libc: Final = ctypes.CDLL(None)


def zone_at(time_s: float) -> tuple[str, int]:
    """Return the name of the local zone and its offset from UTC in seconds at a moment."""
    broken = _Broken()
    _libc.tzset()  # localtime_r alone need not read the zone: localtime(3)
    _libc.localtime_r(ctypes.byref(ctypes.c_long(int(time_s))), ctypes.byref(broken))
    return (broken.zone or b"").decode("ascii", "replace"), broken.offset_s


def sources(sysfs: Tree) -> Iterator[Sample]:
    """Yield each clock source of the kernel, and which one is in use."""
    devices = [name for name in sysfs.names(_SOURCES) if name.startswith("clocksource")]
    for number, device in enumerate(devices):
        for source in (sysfs.attribute(f"{_SOURCES}/{device}/available_clocksource") or "").split():
            yield AVAILABLE(1, clocksource=source, device=str(number))
        current = sysfs.attribute(f"{_SOURCES}/{device}/current_clocksource")
        if current:
            yield CURRENT(1, clocksource=current, device=str(number))


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the time of this host, as the kernel tells it."""
    said = clock()
    if said:
        yield SECONDS(said.time_s)
        zone, offset_s = zone_at(said.time_s)
        yield ZONE(offset_s, time_zone=zone)
    yield from sources(options.sysfs)


PROBE = Probe(
    "time",
    Sysfs,
    run,
    (SECONDS, ZONE, AVAILABLE, CURRENT),
    job="node",
    target=this_host,
    converse=at_once(run),
)
