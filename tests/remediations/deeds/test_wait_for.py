from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from model.deed import WaitFor
from model.step import Result
from remediations.hand import Hand
from tests.remediations.stage import wall_ms


def waited(folder: Path, step: WaitFor, stopped: str = "", *, check: bool = False) -> Result:
    hand = Hand(time.monotonic, wall_ms, folder)
    try:
        return hand.carry_out(step, lambda: stopped, check=check)
    finally:
        hand.close()


def test_a_port_that_opens_later_is_awaited(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        later = threading.Timer(0.2, listener.listen)
        later.start()
        result = waited(tmp_path, WaitFor(port=listener.getsockname()[1], timeout_s=20))
        later.join()
    assert result.ok
    assert not result.changed


def test_a_file_that_goes_is_awaited(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    later = threading.Timer(0.2, lock.unlink)
    later.start()
    assert waited(tmp_path, WaitFor(path=str(lock), gone=True, timeout_s=20)).ok
    later.join()


def test_what_never_comes_is_a_failure_that_says_so(tmp_path: Path) -> None:
    result = waited(tmp_path, WaitFor(path=str(tmp_path / "never"), timeout_s=0.2))
    assert not result.ok
    assert result.reason == f"{tmp_path}/never is not there after 0.2s"


def test_the_kill_switch_ends_the_wait(tmp_path: Path) -> None:
    result = waited(tmp_path, WaitFor(path=str(tmp_path / "never")), "stopped by ada")
    assert result.stopped == "stopped by ada"


def test_a_check_looks_once_and_does_not_wait(tmp_path: Path) -> None:
    assert waited(tmp_path, WaitFor(path=str(tmp_path / "never"), timeout_s=600), check=True).ok
