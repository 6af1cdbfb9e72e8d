"""What each disk does, and what kind of disk it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.chosen import chosen
from probes.host.prompt import at_once
from probes.host.roots import PROCFS, ROOTFS, SYSFS, Tree, this_host
from probes.pattern import Pattern

_DEVICE: Final = ("device",)


def _counter(name: str, words: str) -> Metric:
    return Metric(f"node_disk_{name}_total", words, "counter", _DEVICE)


IO_NOW = Metric("node_disk_io_now", "Requests that a disk works on now.", labels=_DEVICE)

# The fields of /proc/diskstats after the name, with what one unit of each is worth: sectors have 512 bytes
# whatever the disk, and times are in ms (the kernel's Documentation/admin-guide/iostats.rst).
_SECTOR: Final = 512.0
_MS: Final = 1 / 1000
_FIELDS: Final = (
    (_counter("reads_completed", "Reads completed."), 1.0),
    (_counter("reads_merged", "Reads that were merged into another."), 1.0),
    (_counter("read_bytes", "Bytes read."), _SECTOR),
    (_counter("read_time_seconds", "Seconds that all reads took together."), _MS),
    (_counter("writes_completed", "Writes completed."), 1.0),
    (_counter("writes_merged", "Writes that were merged into another."), 1.0),
    (_counter("written_bytes", "Bytes written."), _SECTOR),
    (_counter("write_time_seconds", "Seconds that all writes took together."), _MS),
    (IO_NOW, 1.0),
    (_counter("io_time_seconds", "Seconds in which the disk had something to do."), _MS),
    (_counter("io_time_weighted_seconds", "Seconds of all requests together."), _MS),
    (_counter("discards_completed", "Discards completed."), 1.0),
    (_counter("discards_merged", "Discards that were merged into another."), 1.0),
    (_counter("discarded_sectors", "Sectors discarded."), 1.0),
    (_counter("discard_time_seconds", "Seconds that all discards took together."), _MS),
    (_counter("flush_requests", "Flushes completed."), 1.0),
    (_counter("flush_requests_time_seconds", "Seconds that all flushes took together."), _MS),
)
_FIELDS_MIN: Final = 11  # older kernels know no discards and no flushes

INFO = Metric(
    "node_disk_info", "What kind of disk it is.",
    labels=("device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational"),
)  # fmt: skip  # the labels on one line
FILESYSTEM_INFO = Metric(
    "node_disk_filesystem_info", "The filesystem that udev found on a disk.",
    labels=("device", "type", "usage", "uuid", "version"),
)  # fmt: skip  # as above
MAPPER_INFO = Metric(
    "node_disk_device_mapper_info", "What a disk of the device mapper is called.",
    labels=("device", "name", "uuid", "vg_name", "lv_name", "lv_layer"),
)  # fmt: skip  # as above
_ATA: Final = {
    "ID_ATA_WRITE_CACHE": Metric(
        "node_disk_ata_write_cache", "1 if an ATA disk has a write cache.", labels=_DEVICE
    ),
    "ID_ATA_WRITE_CACHE_ENABLED": Metric(
        "node_disk_ata_write_cache_enabled", "1 if an ATA disk uses its write cache.", labels=_DEVICE
    ),
    "ID_ATA_ROTATION_RATE_RPM": Metric(
        "node_disk_ata_rotation_rate_rpm", "Turns per minute of an ATA disk, 0 if it does not turn.",
        labels=_DEVICE,
    ),
}  # fmt: skip  # as above

# What node_exporter leaves out by default: partitions, and devices that are none.
EXCLUDED: Final = Pattern(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")


@dataclass(frozen=True, slots=True)
class Options:
    """Which disks to look at: what ``device_include`` finds, or all but what ``device_exclude`` finds.

    When neither is given, partitions, loop devices and RAM disks are left out. ``procfs``, ``sysfs`` and
    ``rootfs`` are where the host's trees are; what udev knows of a disk is read from run/udev/data in
    ``rootfs``.
    """

    device_include: Pattern | None = None
    device_exclude: Pattern | None = None
    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS
    rootfs: Tree = ROOTFS

    def __post_init__(self) -> None:
        chosen(self.device_include, self.device_exclude, EXCLUDED, "device_exclude")


@dataclass(frozen=True, slots=True)
class Disk:
    """One line of /proc/diskstats."""

    major: str
    minor: str
    device: str
    fields: tuple[int, ...]


def disks(diskstats: str) -> Iterator[Disk]:
    """Yield each disk of /proc/diskstats."""
    for line in diskstats.split("\n"):
        words = line.split()
        if len(words) >= 3 + _FIELDS_MIN:
            yield Disk(words[0], words[1], words[2], tuple(map(int, words[3:])))


def samples(disk: Disk) -> Iterator[Sample]:
    """Yield what a disk has done since the host was booted."""
    for (metric, unit), value in zip(_FIELDS, disk.fields, strict=False):
        yield metric(value * unit, device=disk.device)


def properties(record: str) -> dict[str, str]:
    """Return the properties in a record of udev's database: lines ``E:NAME=value`` (udevadm(8))."""
    pairs = (line[2:].partition("=") for line in record.split("\n") if line.startswith("E:"))
    return {name: value for name, _, value in pairs}


def described(disk: Disk, known: dict[str, str], rotational: str) -> Iterator[Sample]:
    """Yield what udev knows of a disk, and what it says of the disk's content."""
    serials = (known.get(name, "") for name in ("SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"))
    yield INFO(
        1, device=disk.device, major=disk.major, minor=disk.minor, path=known.get("ID_PATH", ""),
        wwn=known.get("ID_WWN", ""), model=known.get("ID_MODEL", ""), serial=next(filter(None, serials), ""),
        revision=known.get("ID_REVISION", ""), rotational=rotational,
    )  # fmt: skip  # as above
    if known.get("ID_FS_TYPE"):
        keys = {"type": "TYPE", "usage": "USAGE", "uuid": "UUID", "version": "VERSION"}
        of_fs = {label: known.get(f"ID_FS_{key}", "") for label, key in keys.items()}
        yield FILESYSTEM_INFO(1, device=disk.device, **of_fs)
    if known.get("DM_NAME"):
        of_dm = {label: known.get(f"DM_{label.upper()}", "") for label in MAPPER_INFO.labels[1:]}
        yield MAPPER_INFO(1, device=disk.device, **of_dm)
    if known.get("ID_ATA"):
        for name, metric in _ATA.items():
            if known.get(name, "").isdecimal():
                yield metric(int(known[name]), device=disk.device)


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield what each disk does."""
    wanted = chosen(options.device_include, options.device_exclude, EXCLUDED, "device_exclude")
    for disk in disks(options.procfs.text("diskstats")):
        if disk.device not in wanted:
            continue
        yield from samples(disk)
        record = options.rootfs.text_if_any(f"run/udev/data/b{disk.major}:{disk.minor}")
        # A slash in a device's name is told as ! in /sys.
        queue = f"block/{disk.device.replace('/', '!')}/queue/rotational"
        yield from described(disk, properties(record), options.sysfs.attribute(queue) or "0")


PROBE = Probe(
    "diskstats", Options, run,
    (*(metric for metric, _ in _FIELDS), INFO, FILESYSTEM_INFO, MAPPER_INFO, *_ATA.values()),
    job="node", target=this_host, converse=at_once(run),
)  # fmt: skip  # as above
