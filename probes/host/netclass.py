"""State and properties of each network device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import SYSFS, Tree, this_host
from probes.pattern import Pattern

_NONE: Final = Pattern("^$")
_DEVICE: Final = ("device",)
_UP: Final = 1  # IFF_UP of netdevice(7)

UP = Metric("node_network_up", "1 if a device is up, as the kernel judges it.", labels=_DEVICE)
SPEED = Metric("node_network_speed_bytes", "Speed of a device, in bytes per second.", labels=_DEVICE)
INFO = Metric(
    "node_network_info", "What a device is.",
    labels=("device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"),
)  # fmt: skip  # the labels on one line


def _gauge(name: str) -> Metric:
    return Metric(f"node_network_{name}", f"The property {name} of a network device.", labels=_DEVICE)


def _changes(name: str) -> Metric:
    return Metric(f"node_network_{name}_total", "How often the carrier changed.", "counter", _DEVICE)


# By the files of a device (the kernel's Documentation/ABI/testing/sysfs-class-net).
_NUMBERS: Final = {
    "addr_assign_type": _gauge("address_assign_type"),
    "carrier": _gauge("carrier"),
    "carrier_changes": _changes("carrier_changes"),
    "carrier_up_count": _changes("carrier_up_changes"),
    "carrier_down_count": _changes("carrier_down_changes"),
    "dev_id": _gauge("device_id"),
    "dormant": _gauge("dormant"),
    "flags": _gauge("flags"),
    "ifindex": _gauge("iface_id"),
    "iflink": _gauge("iface_link"),
    "link_mode": _gauge("iface_link_mode"),
    "mtu": _gauge("mtu_bytes"),
    "name_assign_type": _gauge("name_assign_type"),
    "netdev_group": _gauge("net_dev_group"),
    "tx_queue_len": _gauge("transmit_queue_length"),
    "type": _gauge("protocol_type"),
}
_WORDS: Final = ("address", "broadcast", "duplex", "operstate", "ifalias")


@dataclass(frozen=True, slots=True)
class Options:
    """Which devices to leave out: those that ``ignored_devices`` finds.

    ``ignore_invalid_speed`` leaves out a speed below 0, by which a device says that it knows none.
    ``sysfs`` is where the host's /sys is; a container sees it elsewhere, and must share the host's network.
    """

    ignored_devices: Pattern = _NONE
    ignore_invalid_speed: bool = False
    sysfs: Tree = SYSFS


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the properties of each device."""
    sysfs = options.sysfs
    for device in sysfs.names("class/net"):
        if options.ignored_devices.search(device.encode("utf-8", "replace")):
            continue
        numbers = {file: sysfs.number(f"class/net/{device}/{file}") for file in _NUMBERS}
        if numbers["ifindex"] is None:
            continue  # a switch of a driver and no device, like bonding_masters, or it went just now
        words = {file: sysfs.attribute(f"class/net/{device}/{file}") or "" for file in _WORDS}
        yield from _told(device, numbers, words)
        megabits = sysfs.number(f"class/net/{device}/speed")
        if megabits is not None and (megabits >= 0 or not options.ignore_invalid_speed):
            yield SPEED(megabits * 1_000_000 / 8, device=device)


def _told(device: str, numbers: dict[str, int | None], words: dict[str, str]) -> Iterator[Sample]:
    yield UP(words["operstate"] == "up", device=device)
    flags = numbers["flags"]
    admin = "unknown" if flags is None else "up" if flags & _UP else "down"
    yield INFO(1, device=device, adminstate=admin, **words)
    for file, metric in _NUMBERS.items():
        number = numbers[file]
        if number is not None:
            yield metric(number, device=device)


PROBE = Probe("netclass", Options, run, (UP, INFO, SPEED, *_NUMBERS.values()), job="node", target=this_host)
