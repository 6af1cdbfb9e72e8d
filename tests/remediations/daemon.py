"""A small daemon for tests: it listens on loopback, keeps a pid file, and removes it when it ends cleanly."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """#!{python} -IS
import os, signal, socket, sys
pidfile, port, broken = {pidfile!r}, {port}, os.path.exists({broken!r})
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0 if broken else port))
listener.listen()
if "--stay" not in sys.argv and os.fork():
    os._exit(0)
os.setsid() if "--stay" not in sys.argv else None
with open(pidfile, "w") as file:
    file.write(str(os.getpid()))
def end(*_):
    os.unlink(pidfile)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
null = os.open("/dev/null", os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(null, fd)
while True:
    connection, _ = listener.accept()
    connection.close()
"""


@dataclass(frozen=True)
class Daemon:
    """One daemon in one folder; while the file ``broken`` is there it starts fine and serves nobody."""

    folder: Path
    port: int

    @classmethod
    def made(cls, folder: Path) -> Daemon:
        """Write its program, with a free port."""
        with socket.socket() as finder:
            finder.bind(("127.0.0.1", 0))
            daemon = cls(folder, finder.getsockname()[1])
        # The interpreter's own file, because a script's process runs the interpreter.
        text = PROGRAM.format(
            python=os.path.realpath(sys.executable),
            pidfile=str(daemon.pidfile),
            port=daemon.port,
            broken=str(daemon.broken),
        )
        daemon.program.write_text(text)
        daemon.program.chmod(0o755)
        return daemon

    @property
    def program(self) -> Path:
        return self.folder / "shopd"

    @property
    def pidfile(self) -> Path:
        return self.folder / "shopd.pid"

    @property
    def broken(self) -> Path:
        return self.folder / "broken"

    @property
    def pid(self) -> int:
        return int(self.pidfile.read_text())

    def step(self, state: str = "restarted", more: str = "") -> str:
        """The step of a playbook that brings it to a state."""
        exe = os.path.realpath(sys.executable)
        return (
            f"- service: {{name: shopd, state: {state}, start: [{self.program}], pidfile: {self.pidfile},"
            f" exe: {exe}, patience: 500ms{more}}}"
        )

    def answers(self) -> bool:
        """Whether somebody who connects is let in."""
        with socket.socket() as customer:
            customer.settimeout(1)
            return customer.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        """Start it and wait until it serves."""
        assert os.spawnv(os.P_WAIT, self.program, [str(self.program)]) == 0
        until_s = time.monotonic() + 5
        while not (self.answers() and self.pidfile.exists() and self.pidfile.read_text()):
            assert time.monotonic() < until_s, "the daemon does not start"
            time.sleep(0.01)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it with this signal; return the pid that it had."""
        pid = self.pid
        os.kill(pid, number)
        until_s = time.monotonic() + 5
        while not _frozen(pid) if number is signal.SIGSTOP else self.answers():
            assert time.monotonic() < until_s, "the daemon does not end"
            time.sleep(0.01)
        return pid

    def close(self) -> None:
        """End what still runs."""
        if self.pidfile.exists() and self.pidfile.read_text():
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def _frozen(pid: int) -> bool:
    """Tell whether a STOP that was sent has reached it."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"
