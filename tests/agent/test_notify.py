"""The service manager is told what it is to be told, on a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.notify import Notify


class Manager:
    """A service manager's socket."""

    def __init__(self, address: str) -> None:
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.end.bind(address)
        self.end.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self.end.recv(4096).decode())
            except BlockingIOError:
                return words


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.end.close()


def notify(path: Path, seconds: list[float], **more: str) -> Notify:
    return Notify({"NOTIFY_SOCKET": str(path / "notify"), **more}, lambda: seconds[0])


def test_ready_reloading_and_stopping_are_said(manager: Manager, tmp_path: Path) -> None:
    told = notify(tmp_path, [12.5])
    told.ready("watching\nweb1")
    told.reloading()
    told.stopping()
    assert manager.heard() == [
        "READY=1\nSTATUS=watching web1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STOPPING=1",
    ]


def test_signs_of_life_come_twice_in_the_time_that_is_asked_for(manager: Manager, tmp_path: Path) -> None:
    seconds = [100.0]
    told = notify(tmp_path, seconds, WATCHDOG_USEC="10000000", WATCHDOG_PID=str(os.getpid()))
    for now_s in (100.0, 101.0, 104.9, 105.0, 109.0, 110.0):
        seconds[0] = now_s
        told.alive()
    assert manager.heard() == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}]
)
def test_nobody_who_did_not_ask_gets_signs_of_life(
    manager: Manager, tmp_path: Path, more: dict[str, str]
) -> None:
    notify(tmp_path, [1.0], **more).alive()
    assert manager.heard() == []


def test_a_name_that_is_no_path_is_spoken_to() -> None:
    manager = Manager(f"\0beforehand-test-{os.getpid()}")
    Notify({"NOTIFY_SOCKET": f"@beforehand-test-{os.getpid()}"}, lambda: 0.0).stopping()
    assert manager.heard() == ["STOPPING=1"]
    manager.end.close()


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    Notify({"NOTIFY_SOCKET": address}, lambda: 0.0).ready("up")
