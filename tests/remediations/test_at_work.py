"""Whoever changes this host is seen without disturbing them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from remediations.at_work import FRESH_MS, at_work, locked
from tests.remediations.guards.asking import MINUTE
from tests.remediations.stage import NOW_MS, wall_ms


def file(root: Path, name: str, content: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


class Child:
    """A process that holds a lock until it is let go."""

    def __init__(self, path: Path, *, whole: bool) -> None:
        ready, self._ready = os.pipe()
        self._go, go = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            fd = os.open(path, os.O_RDWR)
            if whole:
                fcntl.flock(fd, fcntl.LOCK_EX)
            else:
                fcntl.lockf(fd, fcntl.LOCK_EX)
            os.write(self._ready, b"x")
            os.close(go)
            os.read(self._go, 1)
            os._exit(0)
        os.close(self._go)
        os.close(self._ready)
        self._end = go
        os.read(ready, 1)
        os.close(ready)

    def close(self) -> None:
        os.close(self._end)
        os.waitpid(self.pid, 0)


def test_nobody_is_at_work_on_an_empty_host(tmp_path: Path) -> None:
    assert at_work(tmp_path, NOW_MS) is None


@pytest.mark.parametrize(
    ("lock", "tool", "whole"),
    [
        ("var/lib/dpkg/lock", "dpkg", False),
        ("var/lib/apt/lists/lock", "apt", False),
        ("var/chef/cache/chef-client-running.pid", "chef", True),
    ],
)
def test_a_package_manager_is_at_work_as_long_as_it_holds_its_lock(
    tmp_path: Path, lock: str, tool: str, whole: bool
) -> None:
    path = file(tmp_path, lock)
    (tmp_path / "proc").symlink_to("/proc")
    assert at_work(tmp_path, NOW_MS) is None, "the file alone says nothing"
    child = Child(path, whole=whole)
    try:
        act = at_work(tmp_path, NOW_MS)
        assert act is not None
        assert (act.reason, act.passing) == (f"{tool} is at work on this host", True)
        assert act == at_work(tmp_path, NOW_MS), "asking takes no lock away"
    finally:
        child.close()
    assert at_work(tmp_path, NOW_MS) is None


def test_a_lock_on_a_file_that_may_not_be_opened_is_found_in_the_kernels_list(tmp_path: Path) -> None:
    path = file(tmp_path, "lock")
    status = path.stat()
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    list_ = file(tmp_path, "locks", f"1: POSIX  ADVISORY  WRITE 77 {name} 0 EOF\n")
    if os.getuid() == 0:
        # Root may open anything, so only the list is asked where the file is no file that opens.
        path.unlink()
        path.symlink_to("elsewhere")
        status = path.lstat()
        assert not locked(path, list_), "a link is never followed"
        return
    path.chmod(0)
    assert locked(path, list_)
    list_.write_text("1: -> POSIX  ADVISORY  WRITE 77 " + name + " 0 EOF\n")
    assert not locked(path, list_), "somebody who waits for a lock does not hold it"


def test_configuration_management_is_at_work_while_its_process_lives(tmp_path: Path) -> None:
    lock = file(tmp_path, "var/lib/puppet/state/agent_catalog_run.lock", f"{os.getpid()}\n")
    act = at_work(tmp_path, NOW_MS)
    assert act is not None
    assert act.reason == "puppet is at work on this host"
    lock.write_text("999999999\n")
    assert at_work(tmp_path, NOW_MS) is None


def test_what_a_broken_connection_left_behind_counts_for_a_while_only(tmp_path: Path) -> None:
    file(tmp_path, "root/.ansible/tmp/ansible-tmp-1/x")
    now_ms = wall_ms()
    act = at_work(tmp_path, now_ms)
    assert act is not None
    assert act.reason == "ansible is at work on this host"
    assert at_work(tmp_path, now_ms + FRESH_MS + MINUTE) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "USEC=1700000000000000\nMODE=reboot\n",
            "a reboot of this host is scheduled at 2023-11-14 22:13 UTC",
        ),
        ("MODE=poweroff\n", "a shutdown of this host is scheduled"),
        ("USEC=9" + "9" * 40 + "\n", "a shutdown of this host is scheduled"),
    ],
)
def test_a_shutdown_that_is_scheduled_is_waited_for(tmp_path: Path, content: str, reason: str) -> None:
    file(tmp_path, "run/systemd/shutdown/scheduled", content)
    act = at_work(tmp_path, NOW_MS)
    assert act is not None
    assert (act.reason, act.passing) == (reason, False)
