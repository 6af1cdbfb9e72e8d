from __future__ import annotations

from pathlib import Path

from model.decode import decode
from probes.host import diskstats
from tests.probes.host.seen import told
from tests.probes.targets import values, within

DISK = "   8       0 sda 1 2 3 4000 5 6 7 8000 9 10000 11000"


def test_a_disk_is_told_in_bytes_and_seconds(tmp_path: Path) -> None:
    found = told(diskstats.PROBE, tmp_path, {"diskstats": f"{DISK}\n"})
    assert found['node_disk_read_bytes_total{device="sda"}'] == 3 * 512
    assert found['node_disk_write_time_seconds_total{device="sda"}'] == 8
    assert found['node_disk_io_now{device="sda"}'] == 9
    assert found['node_disk_info{device="sda", major="8", minor="0", rotational="0"}'] == 1
    assert len(found) == 12


def test_discards_and_flushes_are_told_by_kernels_that_know_them(tmp_path: Path) -> None:
    found = told(diskstats.PROBE, tmp_path, {"diskstats": f"{DISK} 1 2 3 4 5 6 7 8 9\n"})
    assert found['node_disk_flush_requests_total{device="sda"}'] == 5
    assert found['node_disk_flush_requests_time_seconds_total{device="sda"}'] == 0.006


def test_partitions_and_loop_devices_are_left_out_until_asked_for(tmp_path: Path) -> None:
    names = ("sda", "sda1", "nvme0n1", "nvme0n1p2", "loop0", "ram1", "zram0", "dm-0")
    table = "".join(DISK.replace("sda", name) + "\n" for name in names)
    by_default = told(diskstats.PROBE, tmp_path, {"diskstats": table})
    shown = {name for name in names if f'node_disk_io_now{{device="{name}"}}' in by_default}
    assert shown == {"sda", "nvme0n1", "dm-0"}
    options = decode(f"{{device_include: loop, procfs: {tmp_path}}}".encode(), "f", diskstats.Options)
    assert all('device="loop0"' in key for key in values(diskstats.run(options, within(5))))


def test_a_line_of_an_ancient_kernel_is_left_out(tmp_path: Path) -> None:
    assert told(diskstats.PROBE, tmp_path, {"diskstats": " 8 1 sda1 1 2 3 4\n"}) == {}


def test_the_serial_number_of_a_disk_is_the_one_on_its_label() -> None:
    (disk,) = diskstats.disks(DISK)
    for known, serial in (
        ({"ID_SERIAL": "c"}, "c"),
        ({"ID_SERIAL": "c", "ID_SERIAL_SHORT": "b"}, "b"),
        ({"ID_SERIAL": "c", "ID_SERIAL_SHORT": "b", "SCSI_IDENT_SERIAL": "a"}, "a"),
    ):
        (info,) = diskstats.described(disk, known, "1")
        assert (info.labels["serial"], info.labels["rotational"]) == (serial, "1")


def test_a_value_of_udev_may_hold_an_equals_sign_or_be_no_number() -> None:
    known = diskstats.properties("S:x\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=yes\nE:DM_NAME=a=b\nE:ODD\n")
    assert known == {"ID_ATA": "1", "ID_ATA_WRITE_CACHE": "yes", "DM_NAME": "a=b", "ODD": ""}
    (disk,) = diskstats.disks(DISK)
    told_of = [sample.labels.name for sample in diskstats.described(disk, known, "0")]
    assert told_of == ["node_disk_info", "node_disk_device_mapper_info"]
