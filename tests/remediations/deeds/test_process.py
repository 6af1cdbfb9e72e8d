"""Processes are signalled only when they are as described, few enough, and still the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.deed import SignalProcess
from remediations.deeds.process import Found, protected
from tests.remediations.deeds.done import done, until


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """A program that only this test runs."""
    path = tmp_path / "sleeper"
    shutil.copy(shutil.which("sleep") or "", path)
    return path


@contextmanager
def running(*argv: object, exe: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([str(word) for word in argv])
    try:
        until(lambda: Path(f"/proc/{process.pid}/exe").readlink() == exe)
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_process_is_asked_to_end_and_the_hand_waits_for_it(tmp_path: Path, sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as process:
        result = done(tmp_path, SignalProcess(str(sleeper)))
        assert result.ok, result.reason
        assert result.changed
        assert f"sent TERM to pid {process.pid} ({sleeper}, user " in result.diff
        assert process.wait(20) == -signal.SIGTERM


def test_one_that_does_not_end_is_killed(tmp_path: Path, sleeper: Path) -> None:
    with running("env", "--ignore-signal=TERM", sleeper, "300", exe=sleeper) as process:
        result = done(tmp_path, SignalProcess(str(sleeper), patience_s=0.3))
        assert result.ok, result.reason
        assert "did not end when asked and was killed" in result.output
        assert process.wait(20) == -signal.SIGKILL


def test_a_signal_that_asks_for_no_end_kills_nobody(tmp_path: Path, sleeper: Path) -> None:
    with running("env", "--ignore-signal=USR1", sleeper, "300", exe=sleeper) as process:
        assert done(tmp_path, SignalProcess(str(sleeper), signal="USR1", patience_s=0)).ok
        assert process.poll() is None


def test_more_than_expected_means_none(tmp_path: Path, sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as one, running(sleeper, "300", exe=sleeper) as other:
        result = done(tmp_path, SignalProcess(str(sleeper)))
        assert not result.ok
        assert result.reason.startswith("2 processes are as described, and at most 1 may be signalled: pid ")
        assert one.poll() is None
        assert other.poll() is None
        assert done(tmp_path, SignalProcess(str(sleeper), processes_max=2)).ok
        assert {one.wait(20), other.wait(20)} == {-signal.SIGTERM}


def test_a_check_says_who_would_be_signalled(tmp_path: Path, sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as process:
        result = done(tmp_path, SignalProcess(str(sleeper)), check=True)
        assert result.diff.startswith(f"would send TERM to pid {process.pid} ({sleeper}, user ")
        assert not result.changed
        assert process.poll() is None


@pytest.mark.parametrize(
    "change",
    [
        {"user": "daemon"},
        {"cgroup": "/no.slice/such.service"},
        {"older_than_s": 3600.0},
        {"rss_over_bytes": 1 << 40},
        {"port": 9},
        {"pidfile": "/nonexistent/pid"},
    ],
)
def test_one_that_is_not_as_described_is_left_alone(
    tmp_path: Path, sleeper: Path, change: dict[str, Any]
) -> None:
    with running(sleeper, "300", exe=sleeper) as process:
        result = done(tmp_path, replace(SignalProcess(str(sleeper)), **change))
        assert result.ok
        assert result.output == "no process is as described; nothing was signalled"
        assert process.poll() is None


def test_a_pid_file_and_a_control_group_tell_which_of_two(tmp_path: Path, sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as one, running(sleeper, "300", exe=sleeper) as other:
        (tmp_path / "pid").write_text(f"{other.pid}\n")
        group = Path(f"/proc/{other.pid}/cgroup").read_text().splitlines()[0].split(":", 2)[2]
        step = SignalProcess(str(sleeper), pidfile=str(tmp_path / "pid"), cgroup=group)
        assert done(tmp_path, step).ok
        assert other.wait(20) == -signal.SIGTERM
        assert one.poll() is None


def test_a_port_tells_who_listens_there(tmp_path: Path) -> None:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"
    process = subprocess.Popen([sys.executable, "-uc", f"{code}; time.sleep(300)"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process:
        port = int(process.stdout.readline())
        python = str(Path(sys.executable).resolve())
        assert f"pid {process.pid} " in done(tmp_path, SignalProcess(python, port=port), check=True).diff
        process.kill()


def test_init_and_what_started_this_program_are_never_signalled() -> None:
    for pid in (1, os.getpid(), os.getppid()):
        assert "is init, this program or what started it" in protected(pid, "/usr/bin/shop")


@pytest.mark.parametrize("name", ["init", "systemd", "systemd-journald", "dbus-daemon", "sshd", "agetty"])
def test_what_carries_the_host_is_never_signalled(tmp_path: Path, sleeper: Path, name: str) -> None:
    exe = sleeper.rename(tmp_path / name)
    with running(exe, "300", exe=exe) as process:
        result = done(tmp_path, SignalProcess(str(exe)))
        assert result.reason == f"pid {process.pid} is {name}, which carries the host"
        assert process.poll() is None


def test_a_number_that_another_process_got_is_not_the_same(sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as process:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
        now = Found(process.pid, ticks, str(sleeper), os.getuid(), 0)
        assert now.same()
        assert not replace(now, began_ticks=ticks - 1).same()
        assert not replace(now, uid=4711).same()
        assert not replace(now, exe="/usr/sbin/nginx").same()


def test_the_kill_switch_keeps_it_from_being_killed(tmp_path: Path, sleeper: Path) -> None:
    with running(sleeper, "300", exe=sleeper) as process:
        assert done(tmp_path, SignalProcess(str(sleeper)), stopped="stopped by ada").stopped
        assert process.poll() is None
