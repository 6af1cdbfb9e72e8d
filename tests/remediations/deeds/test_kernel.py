"""A parameter of the kernel is set within bounds, and has its earlier value back afterwards."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from model.deed import RestoreKernel, SetKernel
from model.step import Exec, Result
from remediations.deeds import kernel
from tests.remediations.deeds.done import doing, done

KEY = "net.core.somaxconn"
FILE = Path("/proc/sys/net/core/somaxconn")
_CLONE_NEWNET = 0x40000000


def in_a_network_of_its_own(act: Callable[[], None]) -> None:
    """Act in a thread that has left the host's network; the parameters below net are its own then."""
    wrong: list[BaseException | str] = []

    def leave() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            wrong.append(f"no network namespace: {os.strerror(ctypes.get_errno())}")
            return
        try:
            os.close(os.open(FILE, os.O_WRONLY))
        except OSError as readonly:
            wrong.append(f"/proc/sys cannot be written: {readonly.strerror}")
            return
        try:
            act()
        except BaseException as failed:  # noqa: BLE001 - handed over to the test's own thread
            wrong.append(failed)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join(40)
    for one in wrong:
        if isinstance(one, str):
            pytest.skip(one)
        raise one


def refuses(_step: Exec) -> Result:
    return Result(ok=False, reason="systemd-run is not installed")


def test_a_parameter_is_set_and_given_back(tmp_path: Path) -> None:
    def act() -> None:
        (tmp_path / "keep").mkdir()
        (tmp_path / f"keep/kernel.run-0.{KEY}").write_text("4096")
        before = int(FILE.read_text())
        wanted = before + 100 if before < 60_000 else before - 100
        looked = done(tmp_path, SetKernel(KEY, wanted), check=True)
        assert looked.diff == f"would set {KEY} from {before} to {wanted}"
        result = done(tmp_path, SetKernel(KEY, wanted))
        assert result.diff == f"{KEY} went from {before} to {wanted}"
        assert result.changed
        assert int(FILE.read_text()) == wanted
        assert not done(tmp_path, SetKernel(KEY, wanted)).changed
        assert done(tmp_path, SetKernel(KEY, wanted - 1)).changed
        assert [path.name for path in (tmp_path / "keep").iterdir()] == [f"kernel.run-1.{KEY}"]
        assert done(tmp_path, RestoreKernel(KEY), check=True).diff.endswith(f"to {before}")
        assert done(tmp_path, RestoreKernel(KEY)).diff == f"{KEY} went from {wanted - 1} back to {before}"
        assert int(FILE.read_text()) == before
        assert not done(tmp_path, RestoreKernel(KEY)).changed

    in_a_network_of_its_own(act)


def test_another_run_gives_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / f"keep/kernel.run-1.{KEY}").write_text("4096")
    result = done(tmp_path, RestoreKernel(KEY), run="run-2")
    assert result.output == f"{KEY} was not changed by this run"


def test_without_a_timer_nothing_is_set_that_is_to_revert(tmp_path: Path) -> None:
    before = int(FILE.read_text())
    wanted = 128 if before != 128 else 129
    result = kernel.do(SetKernel(KEY, wanted, revert_after_s=600), doing(tmp_path, refuses))
    assert not result.ok
    assert result.reason.startswith(f"{KEY} was not set, because nothing would set it back")
    assert int(FILE.read_text()) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [(KEY, 1), (KEY, 1 << 20), ("kernel.sysrq", 1), ("../../etc/passwd", 1), ("kernel.core_pattern", 1)],
)
def test_what_is_out_of_bounds_is_refused_at_the_act_as_well(tmp_path: Path, key: str, value: int) -> None:
    result = done(tmp_path, SetKernel(key, value))
    assert not result.ok
    assert "what may be set has bounds" in result.reason


@pytest.mark.parametrize("run", ["", "../x", "a/b"])
def test_a_run_without_a_plain_name_keeps_and_changes_nothing(tmp_path: Path, run: str) -> None:
    before = int(FILE.read_text())
    result = done(tmp_path, SetKernel(KEY, 128 if before != 128 else 129), run=run)
    assert result.reason == "a value is changed within a run only"
    assert int(FILE.read_text()) == before
