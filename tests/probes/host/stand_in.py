"""A private bus of a real dbus-daemon, and on it somebody who answers in systemd's place."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jeepney import HeaderFields, MessageType, Parser, message_bus, new_error, new_method_return
from jeepney.io.blocking import DBusConnection, Proxy, prep_socket

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
    <allow receive_sender="*"/></policy>
</busconfig>
"""
READY_S = 20.0

Row = tuple[str, str, str, str, str, str, str, int, str, str]


def row(name: str, active: str = "active", sub: str = "running", load: str = "loaded") -> Row:
    """Return a unit as the list of units has it."""
    path = "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
    return (name, "A unit", load, active, sub, "", path, 0, "", "/")


@dataclass
class Systemd:
    """What the stand-in says; ``asked`` counts the calls by method or property."""

    rows: list[Row] = field(default_factory=list)
    by_name: list[Row] = field(default_factory=list)
    manager: dict[str, tuple[str, Any]] = field(
        default_factory=lambda: {
            "Version": ("s", "252.39-1~deb12u2"),
            "Virtualization": ("s", ""),
            "SystemState": ("s", "running"),
        }
    )
    properties: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    def of(self, unit: Row, **values: tuple[str, Any]) -> None:
        """Give a unit these properties, each with its signature."""
        self.properties |= {(unit[6], name): value for name, value in values.items()}

    def answer(self, message: Any) -> Any:
        fields = message.header.fields
        member = fields[HeaderFields.member]
        if member == "ListUnits":
            self.asked.append(member)
            return new_method_return(message, "a(ssssssouso)", (self.rows,))
        if member == "ListUnitsByNames":
            self.asked.append(member)
            return new_method_return(message, "a(ssssssouso)", (self.by_name,))
        name = message.body[1]
        self.asked.append(name)
        path = fields[HeaderFields.path]
        value = self.manager.get(name) if path.endswith("systemd1") else self.properties.get((path, name))
        if value is None:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownProperty", "s", ("no such",))
        return new_method_return(message, "v", (value,))


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder with a short path: that of a socket has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def bus_daemon(rootfs: Path) -> Iterator[Path]:
    """Run a bus at the place of the system's, below this root; yields its socket."""
    path = rootfs / "run/dbus/system_bus_socket"
    path.parent.mkdir(parents=True)
    config = rootfs / "bus.conf"
    config.write_text(CONFIG.format(path=path))
    process = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + READY_S
        while not _listens(path):
            assert process.poll() is None, "dbus-daemon ended"
            assert time.monotonic() < until, "dbus-daemon does not listen"
            time.sleep(0.02)
        yield path
    finally:
        process.terminate()
        process.wait(10)


def _listens(path: Path) -> bool:
    """Tell whether somebody is there: a socket has its name before it listens."""
    with socket.socket(socket.AF_UNIX) as end:
        return end.connect_ex(str(path)) == 0


@contextmanager
def serving(path: Path, systemd: Systemd) -> Iterator[None]:
    """Answer on this bus under systemd's name."""
    end = prep_socket(str(path), timeout=READY_S)
    connection = DBusConnection(end)
    Proxy(message_bus, connection, timeout=READY_S).RequestName("org.freedesktop.systemd1")

    def serve() -> None:
        while True:
            try:
                message = connection.receive()
            except OSError:
                return
            if message.header.message_type is MessageType.method_call and not systemd.silent:
                connection.send(systemd.answer(message))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        end.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


@contextmanager
def serving_straight(rootfs: Path, systemd: Systemd) -> Iterator[None]:
    """Answer at a socket of its own, as systemd does for root."""
    path = rootfs / "run/systemd/private"
    path.parent.mkdir(parents=True)

    def speak(end: socket.socket) -> None:
        parser = Parser()
        assert end.recv(4096).startswith(b"\0AUTH EXTERNAL ")
        end.sendall(b"OK 1234\r\n")
        parser.add_data(end.recv(4096).removeprefix(b"BEGIN\r\n"))
        more = b"-"
        while more:
            message = parser.get_next_message()
            if message is not None:
                end.sendall(systemd.answer(message).serialise(serial=1))
            else:
                more = end.recv(4096)
                parser.add_data(more)

    with listening_at(path, speak):
        yield


@contextmanager
def answering_with(rootfs: Path, speak: Callable[[socket.socket], object]) -> Iterator[None]:
    """Listen where the system's bus would, and do what ``speak`` does with the first connection."""
    path = rootfs / "run/dbus/system_bus_socket"
    path.parent.mkdir(parents=True)
    with listening_at(path, speak):
        yield


@contextmanager
def listening_at(path: Path, speak: Callable[[socket.socket], object]) -> Iterator[None]:
    """Listen at a socket, and do what ``speak`` does with the first connection."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()

        def serve() -> None:
            try:
                end, _ = server.accept()
            except OSError:
                return
            with end:
                end.settimeout(READY_S)
                try:
                    speak(end)
                    while end.recv(4096):
                        pass
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
