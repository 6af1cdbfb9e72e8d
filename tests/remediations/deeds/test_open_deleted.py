from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.deed import ReleaseDeleted, TruncateDeleted
from remediations.deeds import open_deleted
from remediations.deeds.open_deleted import found
from tests.remediations.deeds.disk import MIB, done

PYTHON = os.path.realpath(sys.executable)
HOLD = """
import os, sys
path, flags = sys.argv[1], os.O_CREAT | os.O_RDWR | (os.O_APPEND if sys.argv[2] == "append" else 0)
fd = os.open(path, flags)
os.write(fd, b"x" * (3 << 20))
os.fsync(fd)
os.unlink(path)
print("held", flush=True)
sys.stdin.readline()
os.write(fd, b"more")
print(os.fstat(fd).st_size, flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path, how: str = "append") -> Iterator[subprocess.Popen[str]]:
    """A process that holds a deleted file of 3 MiB open."""
    argv = [PYTHON, "-c", HOLD, str(folder / "app.log"), how]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def says_size(process: subprocess.Popen[str]) -> int:
    """Have the holder write four bytes more and tell how long its file is."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_who_holds_a_deleted_file_is_listed_with_its_size(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        [ghost] = [one for one in found(str(tmp_path), 2 * MIB) if one.pid == process.pid]
        assert str(ghost) == f"pid {process.pid} ({PYTHON}) holds 3.0 MiB of {tmp_path}/app.log (deleted)"
        assert ghost.appends
        assert not [one for one in found(str(tmp_path), 4 * MIB) if one.pid == process.pid]
        assert not [one for one in found("/proc", 1) if one.pid == process.pid], "another filesystem"


def test_what_is_appended_to_is_emptied_and_the_program_goes_on(tmp_path: Path) -> None:
    step = TruncateDeleted(str(tmp_path), 2 * MIB, PYTHON)
    with holder(tmp_path) as process:
        told = done(tmp_path / "keep", step, check=True)
        assert "- 3.0 MiB of" in told.diff
        assert [one for one in found(str(tmp_path), 2 * MIB) if one.pid == process.pid]
        result = done(tmp_path / "keep", step)
        assert result.ok, result.reason
        assert result.changed
        assert says_size(process) == 4
    assert not done(tmp_path / "keep", step).changed


def test_what_is_not_only_appended_to_is_left_alone(tmp_path: Path) -> None:
    with holder(tmp_path, "write") as process:
        result = done(tmp_path / "keep", TruncateDeleted(str(tmp_path), 2 * MIB, PYTHON))
        assert not result.ok
        assert "not only appended to" in result.output
        assert says_size(process) == 3 * MIB + 4


def test_the_files_of_another_program_are_left_alone(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        result = done(tmp_path / "keep", TruncateDeleted(str(tmp_path), 2 * MIB, "/usr/bin/env"))
        assert "that is not /usr/bin/env" in result.output
        assert not result.changed
        assert says_size(process) == 3 * MIB + 4


@pytest.mark.needs("kill")
def test_a_service_that_holds_is_restarted_and_lets_go(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        step = ReleaseDeleted(str(tmp_path), 2 * MIB, ("kill", "-KILL", str(process.pid)), exe=PYTHON)
        told = done(tmp_path / "keep", step, check=True)
        assert told.diff == f"would run kill -KILL {process.pid}"
        assert process.poll() is None
        result = done(tmp_path / "keep", step)
        assert result.ok, result.reason
        assert result.changed
        assert process.wait() == -9
    again = done(tmp_path / "keep", step)
    assert again.ok
    assert not again.changed


def test_a_service_that_does_not_let_go_is_a_failure_that_names_the_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_deleted, "SETTLE_S", 0.3)
    with holder(tmp_path) as process:
        result = done(tmp_path / "keep", ReleaseDeleted(str(tmp_path), 2 * MIB, ("true",), exe=PYTHON))
        assert not result.ok
        assert f"it still holds them: pid {process.pid}" in result.reason


def test_no_service_is_restarted_for_what_another_holds(tmp_path: Path) -> None:
    marker = tmp_path / "restarted"
    with holder(tmp_path):
        for step in (
            ReleaseDeleted(str(tmp_path), 2 * MIB, ("touch", str(marker)), exe="/usr/bin/env"),
            ReleaseDeleted(str(tmp_path), 2 * MIB, ("touch", str(marker)), unit="nginx.service"),
        ):
            result = done(tmp_path / "keep", step)
            assert not result.ok
            assert "and that is not" in result.reason
    assert not marker.exists()
