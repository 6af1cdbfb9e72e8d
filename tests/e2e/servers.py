"""Real servers to be killed: nginx and redis in a folder of their own, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psutil

from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.web import get

_PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

START_S: Final = 45.0


def program(name: str) -> str | None:
    """Return where a program of the system's packages is installed, or None."""
    return shutil.which(name, path=_PATH)


class Server(Protocol):
    """What the tests and the measurements ask of a server."""

    @property
    def folder(self) -> Path:
        """Where everything of it lives."""

    @property
    def port(self) -> Port:
        """Where it listens."""

    @property
    def pidfile(self) -> Path:
        """Where it writes its process id."""

    @property
    def start_argv(self) -> tuple[str, ...]:
        """The command that starts it in the background."""

    def answers(self) -> bool:
        """Tell whether it serves a request."""


@dataclass(frozen=True, slots=True)
class Nginx:
    """An nginx with one worker that answers every request with 200."""

    folder: Path
    port: Port

    @property
    def pidfile(self) -> Path:
        """Where the master writes its process id; a clean stop removes it."""
        return self.folder / "nginx.pid"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "nginx.conf"

    @property
    def start_argv(self) -> tuple[str, ...]:
        """The command that starts it in the background."""
        return (*self._argv(), "-q")

    @property
    def check_argv(self) -> tuple[str, ...]:
        """The command that judges the configuration."""
        return (*self._argv(), "-t", "-q")

    @property
    def quit_argv(self) -> tuple[str, ...]:
        """The command by which a human stops it in order."""
        return (*self._argv(), "-s", "quit")

    def _argv(self) -> tuple[str, ...]:
        nginx = program("nginx")
        assert nginx, "nginx is not installed"
        return (nginx, "-p", str(self.folder), "-c", str(self.config), "-e", str(self.folder / "error.log"))

    def write(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = "".join(
            f"  {kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.config.write_text(
            f"daemon on;\nworker_processes 1;\npid {self.pidfile};\n"
            f"error_log {self.folder}/error.log;\nevents {{ worker_connections 64; }}\n"
            f"http {{\n  access_log off;\n{scratch}"
            f'  server {{ listen {self.port}; location / {{ return 200 "served\\n"; }} }}\n}}\n'
        )

    def break_config(self) -> None:
        """Leave a configuration that no nginx can start with."""
        self.config.write_text("this is no configuration\n")

    def answers(self) -> bool:
        """Tell whether it serves a request."""
        return get(self.port.number, "/", timeout_s=1).status == 200


@dataclass(frozen=True, slots=True)
class Redis:
    """A redis that keeps nothing on disk."""

    folder: Path
    port: Port

    @property
    def pidfile(self) -> Path:
        """Where it writes its process id; SHUTDOWN removes it."""
        return self.folder / "redis.pid"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "redis.conf"

    @property
    def start_argv(self) -> tuple[str, ...]:
        """The command that starts it in the background."""
        redis = program("redis-server")
        assert redis, "redis-server is not installed"
        return (redis, str(self.config))

    def write(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"bind {LOOPBACK}\nport {self.port.number}\ndaemonize yes\npidfile {self.pidfile}\n"
            f'dir {self.folder}\nlogfile {self.folder}/redis.log\nsave ""\nappendonly no\n'
        )

    def answers(self) -> bool:
        """Tell whether it serves a request."""
        return self.ask("PING").startswith("+PONG")

    def serving_pid(self) -> int:
        """Return the process id that the one who answers has, 0 when nobody answers."""
        lines = self.ask("INFO server").splitlines()
        return next((int(line[11:]) for line in lines if line.startswith("process_id:")), 0)

    def ask(self, command: str) -> str:
        """Return the reply to one inline command, or nothing."""
        try:
            with socket.create_connection((LOOPBACK, self.port.number), timeout=1) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.recv(65536).decode()
        except OSError:
            return ""


def pid_of(server: Server) -> int:
    """Return the process id in the pid file if that process lives, else 0."""
    try:
        pid = int(server.pidfile.read_text().strip() or 0)
    except (OSError, ValueError):
        return 0
    return pid if pid and _lives(pid) else 0


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start(server: Nginx | Redis) -> None:
    """Write the configuration, start the server and wait until it serves."""
    server.write()
    subprocess.run(server.start_argv, check=True, timeout=START_S, stdin=subprocess.DEVNULL)
    until(lambda: server.answers() and pid_of(server), START_S, f"{server.folder.name} serves")


def kill(server: Server) -> int:
    """Kill the server with all its processes, without a warning; return the process id that it had."""
    pid = pid_of(server)
    assert pid, f"{server.folder.name} does not run"
    workers = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    return pid


def end(server: Server) -> None:
    """End every process of this server, found by its folder; what does not end in time is killed."""
    pids = {process.pid for process in psutil.process_iter() if _belongs(process, server.folder)}
    found = [psutil.Process(pid) for pid in pids | {pid_of(server)} - {0} if _lives(pid)]
    found += [child for process in found for child in process.children(recursive=True)]
    _signal(found, signal.SIGTERM)
    with suppress(AssertionError):
        until(lambda: not any(_lives(process.pid) for process in found), 20, "the servers end")
    _signal(found, signal.SIGKILL)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        name = process.name()
        if name not in ("nginx", "redis-server"):
            return False
        return process.cwd() == str(folder) or str(folder) in " ".join(process.cmdline())
    except psutil.Error:
        return False
