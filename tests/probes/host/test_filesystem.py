from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline
from probes.host import filesystem
from probes.host.filesystem import Answer, Inquiry, Mount, Options
from tests.probes.targets import values, within

ROOT = Mount("/", "/dev/vda1", "/", "ext4", readonly=False)
SHARE = Mount("/share", "nas:/share", "/share", "nfs4", readonly=True)
SERIES = 'device="/dev/vda1", fstype="ext4", mountpoint="/"'


class Kernel:
    """Answers for every mount but those that hang until they are let go."""

    def __init__(self, *hanging: str) -> None:
        self.hanging = hanging
        self.let_go = threading.Event()
        self.asked: list[str] = []

    def statvfs(self, path: str) -> os.statvfs_result:
        self.asked.append(path)
        if path in self.hanging:
            self.let_go.wait(10)
        return os.statvfs("/")


def test_what_a_mount_says_is_told_in_bytes_and_files() -> None:
    space = os.statvfs_result((4096, 1024, 1000, 400, 300, 50, 20, 10, 0, 255))
    assert values(filesystem.samples(ROOT, Answer(space, ""))) == {
        f"node_filesystem_device_error{{{SERIES}}}": 0,
        f"node_filesystem_readonly{{{SERIES}}}": 0,
        f"node_filesystem_size_bytes{{{SERIES}}}": 1_024_000,
        f"node_filesystem_free_bytes{{{SERIES}}}": 409_600,
        f"node_filesystem_avail_bytes{{{SERIES}}}": 307_200,
        f"node_filesystem_files{{{SERIES}}}": 50,
        f"node_filesystem_files_free{{{SERIES}}}": 20,
    }


def test_a_mount_that_hangs_is_an_error_and_the_others_are_told() -> None:
    kernel = Kernel("/share")
    try:
        answers = Inquiry(kernel.statvfs).ask([SHARE, ROOT], within(0.1))
    finally:
        kernel.let_go.set()
    assert answers[ROOT].space is not None
    told = values(filesystem.samples(SHARE, answers[SHARE]))
    labels = 'device="nas:/share", device_error="mountpoint timeout", fstype="nfs4", mountpoint="/share"'
    assert told == {
        f"node_filesystem_device_error{{{labels}}}": 1,
        f"node_filesystem_readonly{{{labels}}}": 1,
    }


# In a mount namespace of its own, so that nobody else on this machine can hang on it. Nobody serves the
# mount, so the kernel lets whoever asks about it wait; closing the device ends that.
HUNG_MOUNT = """
import ctypes, os, sys, time
libc, folder = ctypes.CDLL(None, use_errno=True), sys.argv[1].encode()
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
private, new_namespace = 1 << 18 | 1 << 14, 0x20000
if (
    libc.unshare(new_namespace)
    or libc.mount(None, b"/", None, private, None)
    or libc.mount(b"nobody", folder, b"fuse", 0, options)
):
    sys.exit(77)
from model.plugin import Deadline
from probes.host import filesystem
for sample in filesystem.run(filesystem.Options(), Deadline(time.monotonic() + 1, time.monotonic)):
    print(sample.labels, sample.value)
os.close(device)
"""


def test_a_real_mount_that_hangs_is_an_error(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HUNG_MOUNT, str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if told.returncode == 77 or "/dev/fuse" in told.stderr:
        pytest.skip("this user may not mount with FUSE")
    assert told.stderr == ""
    about = [line for line in told.stdout.splitlines() if str(tmp_path) in line]
    assert len(about) == 2
    assert all('device_error="mountpoint timeout"' in line for line in about)
    assert about[0].startswith("node_filesystem_device_error{")
    assert about[0].endswith(" 1.0")


def test_several_mounts_that_hang_cost_one_deadline() -> None:
    shares = [Mount(f"/share{n}", "nas", f"/share{n}", "nfs4", readonly=False) for n in range(10)]
    kernel = Kernel(*(share.path for share in shares))
    began = time.monotonic()
    try:
        answers = Inquiry(kernel.statvfs).ask(shares, within(0.2))
    finally:
        kernel.let_go.set()
    assert {answer.error for answer in answers.values()} == {"mountpoint timeout"}
    assert time.monotonic() - began < 1.5


def test_a_mount_that_hangs_is_not_asked_again_until_it_answers() -> None:
    kernel = Kernel("/share")
    inquiry = Inquiry(kernel.statvfs)
    try:
        for _ in range(3):
            assert inquiry.ask([SHARE], within(0.05))[SHARE].error
        assert kernel.asked == ["/share"]
    finally:
        kernel.let_go.set()
    until = time.monotonic() + 5
    while inquiry.ask([SHARE], within(1))[SHARE].error:
        assert time.monotonic() < until
    assert len(kernel.asked) == 2


def test_a_mount_that_refuses_says_why() -> None:
    def refuse(path: str) -> os.statvfs_result:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert Inquiry(refuse).ask([ROOT], within(5))[ROOT] == Answer(None, "permission denied")


def test_what_holds_no_data_of_the_host_is_left_out() -> None:
    paths = ["/", "/proc", "/dev/shm", "/processing", "/var/lib/docker/overlay2/x", "/srv"]
    mounts = [Mount(path, "x", path, "ext4", readonly=False) for path in paths]
    mounts += [
        Mount("/a", "x", "/a", "overlay", readonly=False),
        Mount("/b", "x", "/b", "overlayfs", readonly=False),
    ]
    kept = [mount.path for mount in filesystem.chosen(Options(), mounts)]
    assert kept == ["/", "/processing", "/srv", "/b"]


def test_a_path_that_is_not_utf8_cannot_break_a_label() -> None:
    path = os.fsdecode(b"/media/\xff\xfe")
    shown = filesystem._shown(path)
    assert shown == "/media/\ufffd\ufffd"
    assert shown.encode()


def test_this_host_tells_its_own_mounts(tmp_path: Path) -> None:
    mounts = filesystem.mounted()
    assert "/" in {mount.mountpoint for mount in mounts}
    assert len({mount.path for mount in mounts}) == len(mounts)
    everything = decode(b"{fs_types_exclude: '^$', mount_points_exclude: '^$'}", "f", Options)
    told = values(filesystem.run(everything, within(5)))
    assert any(
        series.startswith("node_filesystem_avail_bytes") and value > 0 for series, value in told.items()
    )


def test_the_wait_leaves_time_before_the_deadline_of_the_run() -> None:
    now = 100.0
    assert list(filesystem.run(Options(), Deadline(now + 5, lambda: now))) != []


def test_no_time_for_the_mounts_is_refused() -> None:
    with pytest.raises(Rejected, match="no mount answers in no time"):
        decode(b"mount_timeout: 0s", "f", Options)


def test_a_table_of_mounts_is_read_with_its_escapes_and_the_last_mount_of_a_path_wins() -> None:
    table = b"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /mnt/a\\040b xfs ro,nosuid 0 0\ntmpfs / tmpfs rw 0 0\nodd\n"
    root, spaced = filesystem.mounts_in(table)
    assert (root.device, root.path, root.fstype, root.readonly) == ("tmpfs", "/", "tmpfs", False)
    assert (spaced.mountpoint, spaced.readonly) == ("/mnt/a b", True)


def test_what_only_a_sandbox_shows_read_only_is_not_told_so(tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(
        b"/dev/sda1 / ext4 ro 0 0\n/dev/sdb1 /mnt ext4 ro 0 0\nours /here xfs ro 0 0\n"
    )
    (tmp_path / "init").write_bytes(b"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /mnt ext4 ro 0 0\n")
    seen = filesystem.mounted(str(tmp_path / "own"), str(tmp_path / "init"))
    assert [(mount.path, mount.readonly) for mount in seen] == [("/", False), ("/mnt", True), ("/here", True)]
    alone = filesystem.mounted(str(tmp_path / "own"), str(tmp_path / "hidden"))
    assert all(mount.readonly for mount in alone)
