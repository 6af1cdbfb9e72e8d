from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline
from probes.host import filesystem
from probes.host.filesystem import Answer, Inquiry, Mount, Options
from probes.host.roots import PROCFS, ROOTFS, Tree
from tests.probes.host.exporter import plant
from tests.probes.targets import values, within

ROOT = Mount("/", "/dev/vda1", "/", "ext4", "254:1", readonly=False)
SHARE = Mount("/share", "nas:/share", "/share", "nfs4", "0:40", readonly=True)
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
        f"node_filesystem_purgeable_bytes{{{SERIES}}}": 0,
        'node_filesystem_mount_info{device="/dev/vda1", major="254", minor="1", mountpoint="/"}': 1,
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


def test_what_is_mounted_anew_is_asked_though_somebody_still_waits_for_what_was_there_before() -> None:
    kernel = Kernel("/share")
    inquiry = Inquiry(kernel.statvfs)
    old, new = replace(SHARE, id="40"), replace(SHARE, id="41")
    try:
        assert inquiry.ask([old], within(0.1))[old].space is None
        kernel.hanging = ()
        assert inquiry.ask([old], within(0.1))[old].space is None, "it is not asked a second time"
        assert inquiry.ask([new], within(5))[new].space is not None
    finally:
        kernel.let_go.set()


# In a mount namespace of its own, so that nobody else on this machine can hang on it; init does not see it
# there, so the probe is shown a /proc that hides init. Nobody serves the mount, so the kernel lets whoever
# asks about it wait; closing the device ends that.
HUNG_MOUNT = """
import ctypes, os, pathlib, sys, time
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
from probes.host import filesystem, roots
(procfs := pathlib.Path(sys.argv[2]) / "self").mkdir()
(procfs / "mountinfo").write_bytes(pathlib.Path("/proc/self/mountinfo").read_bytes())
options = filesystem.Options(procfs=roots.Tree(procfs.parent))
for sample in filesystem.run(options, Deadline(time.monotonic() + 1, time.monotonic)):
    print(sample.labels, sample.value)
os.close(device)
"""


def test_a_real_mount_that_hangs_is_an_error(tmp_path: Path) -> None:
    (folder := tmp_path / "mount").mkdir()
    argv = [sys.executable, "-c", HUNG_MOUNT, str(folder), str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if told.returncode == 77 or "/dev/fuse" in told.stderr:
        pytest.skip("this user may not mount with FUSE")
    assert told.stderr == ""
    about = [line for line in told.stdout.splitlines() if str(folder) in line]
    assert len(about) == 2
    assert all('device_error="mountpoint timeout"' in line for line in about)
    assert about[0].startswith("node_filesystem_device_error{")
    assert about[0].endswith(" 1.0")


def test_several_mounts_that_hang_cost_one_deadline() -> None:
    shares = [Mount(f"/share{n}", "nas", f"/share{n}", "nfs4", "0:40", readonly=False) for n in range(10)]
    kernel = Kernel(*(share.path for share in shares))
    began = time.monotonic()
    try:
        answers = Inquiry(kernel.statvfs).ask(shares, within(0.2))
    finally:
        kernel.let_go.set()
    assert {answer.error for answer in answers.values()} == {"mountpoint timeout"}
    assert time.monotonic() - began < 1.5


def test_one_thread_is_enough_while_no_mount_hangs() -> None:
    seen: set[int] = set()

    def statvfs(path: str) -> os.statvfs_result:
        seen.add(threading.get_ident())
        return os.statvfs("/")

    mounts = [Mount(f"/{n}", "x", f"/{n}", "ext4", "8:1", readonly=False) for n in range(50)]
    assert not any(answer.error for answer in Inquiry(statvfs).ask(mounts, within(20)).values())
    assert len(seen) < len(mounts)


def test_more_mounts_than_threads_are_all_asked_though_some_hang() -> None:
    shares = [Mount(f"/share{n}", "nas", f"/share{n}", "nfs4", "0:40", readonly=False) for n in range(100)]
    hanging = {share.path for share in shares[::10]}
    kernel = Kernel(*hanging)
    try:
        answers = Inquiry(kernel.statvfs).ask(shares, within(2))
    finally:
        kernel.let_go.set()
    assert {mount.path for mount, answer in answers.items() if answer.error} == hanging


def test_no_more_threads_hang_than_are_allowed() -> None:
    count = filesystem.HUNG_MAX + 10
    shares = [Mount(f"/share{n}", "nas", f"/share{n}", "nfs4", "0:40", readonly=False) for n in range(count)]
    kernel = Kernel(*(share.path for share in shares))
    inquiry = Inquiry(kernel.statvfs)
    try:
        for _ in range(2):
            assert all(answer.error for answer in inquiry.ask([*shares, ROOT], within(0.2)).values())
        assert len(kernel.asked) == filesystem.HUNG_MAX
    finally:
        kernel.let_go.set()


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
    mounts = [Mount(path, "x", path, "ext4", "8:1", readonly=False) for path in paths]
    mounts += [
        Mount("/a", "x", "/a", "overlay", "0:1", readonly=False),
        Mount("/b", "x", "/b", "overlayfs", "0:2", readonly=False),
    ]
    kept = [mount.path for mount in filesystem.wanted(Options(), mounts)]
    assert kept == ["/", "/processing", "/srv", "/b"]


def test_a_path_that_is_not_utf8_cannot_break_a_label() -> None:
    path = os.fsdecode(b"/media/\xff\xfe")
    shown = filesystem._shown(path)
    assert shown == "/media/\ufffd\ufffd"
    assert shown.encode()


def test_this_host_tells_its_own_mounts(tmp_path: Path) -> None:
    mounts = filesystem.mounted(PROCFS, ROOTFS)
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


def test_only_what_is_asked_for_is_looked_at() -> None:
    paths = ["/", "/proc", "/srv", "/srv/data"]
    mounts = [Mount(path, "x", path, "ext4", "8:1", readonly=False) for path in paths]
    mounts += [Mount("/t", "t", "/t", "tmpfs", "0:9", readonly=False)]
    for text, kept in (
        ("{mount_points_include: '^/srv($|/)'}", ["/srv", "/srv/data"]),
        ("{fs_types_include: '^tmpfs$'}", ["/t"]),
        ("{mount_points_exclude: '^/$', fs_types_exclude: tmpfs}", ["/proc", "/srv", "/srv/data"]),
    ):
        options = decode(text.encode(), "f", Options)
        assert [mount.path for mount in filesystem.wanted(options, mounts)] == kept


def test_to_include_and_to_exclude_at_once_is_refused() -> None:
    for name in ("mount_points", "fs_types"):
        with pytest.raises(Rejected, match=f"{name}_exclude makes no sense beside its counterpart"):
            decode(f"{{{name}_include: a, {name}_exclude: b}}".encode(), "f", Options)


def info(path: str, number: str = "8:1", mode: str = "rw", kind: str = "ext4", own: str = "rw") -> str:
    """Return a line of /proc/PID/mountinfo."""
    return f"26 25 {number} / {path} {mode},relatime shared:1 - {kind} /dev/{number} {own},x=y\n"


def test_a_table_of_mounts_is_read_with_its_escapes_and_the_last_mount_of_a_path_wins() -> None:
    table = info("/") + info("/mnt/a\\040b", "8:17", kind="xfs") + info("/", "0:9", kind="tmpfs") + "odd\n"
    root, spaced = filesystem.mounts_in(table.encode())
    assert (root.device, root.path, root.fstype, root.number) == ("/dev/0:9", "/", "tmpfs", "0:9")
    assert (spaced.mountpoint, spaced.readonly) == ("/mnt/a b", False)
    (plain,) = filesystem.mounts_in(b"26 25 8:1 / /plain ro - ext4 /dev/sda1 rw\n")
    assert (plain.path, plain.readonly) == ("/plain", True)


def test_a_mount_is_read_only_by_itself_by_its_filesystem_or_by_a_sick_kernel() -> None:
    table = info("/a", mode="ro") + info("/b", own="ro") + info("/c", own="emergency_ro") + info("/d")
    read_only = [mount.readonly for mount in filesystem.mounts_in(table.encode())]
    assert read_only == [True, True, True, False]


def test_what_only_a_sandbox_shows_or_hides_is_not_told(tmp_path: Path) -> None:
    host = info("/") + info("/mnt", "8:17", mode="ro") + info("/tmp", "0:30") + info("/home", "8:33")
    own = info("/", mode="ro") + info("/mnt", "8:17", mode="ro") + info("/tmp") + info("/var/ours", mode="rw")
    plant(tmp_path, {"1/mountinfo": host, "self/mountinfo": own})
    seen = filesystem.mounted(Tree(tmp_path), ROOTFS)
    assert [(mount.path, mount.readonly) for mount in seen] == [("/", False), ("/mnt", True)]
    (tmp_path / "1/mountinfo").unlink()
    alone = filesystem.mounted(Tree(tmp_path), ROOTFS)
    assert [mount.path for mount in alone] == ["/", "/mnt", "/tmp", "/var/ours"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_container_tells_its_hosts_paths_and_asks_behind_its_prefix(tmp_path: Path, inside: bool) -> None:
    own = info("/", "0:99") + info("/host") + info("/host/srv", "8:17") + info("/etc/hosts", "0:98")
    files = {"self/mountinfo": own}
    if not inside:  # its /proc is the host's as well
        files["1/mountinfo"] = info("/") + info("/srv", "8:17") + info("/hidden", "8:33")
    plant(tmp_path, files)
    seen = filesystem.mounted(Tree(tmp_path), Tree(Path("/host")))
    told = [(mount.mountpoint, mount.path, mount.device) for mount in seen]
    assert told == [("/", "/host", "/dev/8:1"), ("/srv", "/host/srv", "/dev/8:17")]


def test_a_host_without_a_table_of_mounts_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no table of mounts"):
        filesystem.mounted(Tree(tmp_path), ROOTFS)
