"""What is kept: a real nginx before an upstream, or a real redis, and the one program by which all act on it.

Whoever starts, stops, renews, cleans or relieves does so by ``do VERB``, which writes down the verb first;
so every keeper's actions are counted in the same way.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import psutil

from agent.drill.apart import NoMount, mount_file, unmount
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.servers import program
from tests.e2e.web import get

NAMES: Final = ("nginx", "redis-server", "redis-check-rdb")
START_S: Final = 10.0
ROOM_PART: Final = 0.1
WRITES: Final = 8
WRITTEN: Final = "x" * 30_000
OLD_LOGS: Final = 10
OLD_LOG: Final = b"a line of long ago\n" * 13_000

_DO: Final = """#!/bin/sh
# Every action passes here and is written down.
cd '{folder}' || exit 1
echo "$1" >> actions
pid=$(cat '{pidfile}' 2>/dev/null)
case "$1" in
start) exec {start} ;;
stop)
  [ -n "$pid" ] || exit 0
  workers=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
  kill -TERM "$pid" 2>/dev/null
  for turn in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
  kill -KILL $pid $workers 2>/dev/null
  exit 0 ;;
renew) cp fresh.pem shown.pem && exec {start} -s reload ;;
clean) exec find '{folder}/logs' -name 'access.log.*' -mtime +1 -delete ;;
relieve) exec {cli} config set maxmemory 64mb ;;
esac
exit 2
"""

_NGINX: Final = """
daemon on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/logs/access.log;
{scratch}
  server {{
    listen {port};
    listen {tls} ssl;
    ssl_certificate {folder}/shown.pem; ssl_certificate_key {folder}/shown.pem;
    location / {{ {answer} }}
  }}
}}
"""


@dataclass(slots=True)
class Upstream:
    """The program behind nginx; a thread here that can be gone for a while."""

    port: Port
    server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Answer from now on."""
        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer((LOOPBACK, self.port.number), _Served)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be gone."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class _Served(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"served\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(slots=True)
class Subject:
    """One nginx or redis in a folder of its own."""

    name: str
    folder: Path
    port: Port
    tls: Port
    upstream: Upstream
    ports: list[Port] = field(default_factory=list)

    @property
    def pidfile(self) -> Path:
        return self.folder / f"{self.name}.pid"

    @property
    def do(self) -> Path:
        return self.folder / "do"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def exe(self) -> str:
        return os.path.realpath(self.command)

    @property
    def command(self) -> str:
        # A program of several names, as redis is on Debian, does what its name says; exe is where it lies.
        found = program("nginx" if self.name == "nginx" else "redis-server")
        assert found, f"{self.name} is not installed"
        return found

    @property
    def argv(self) -> tuple[str, ...]:
        if self.name == "redis":
            return (self.command, f"{self.folder}/redis.conf")
        return (
            self.command,
            "-p",
            str(self.folder),
            "-c",
            f"{self.folder}/nginx.conf",
            "-e",
            f"{self.folder}/error.log",
            "-q",
        )

    def write(self) -> None:
        """Write the program that acts, and the configuration."""
        cli = f"{program('redis-cli')} -p {self.port.number}"
        words = {"folder": self.folder, "pidfile": self.pidfile, "start": " ".join(self.argv), "cli": cli}
        self.do.write_text(_DO.format(**words))
        self.do.chmod(0o755)
        self.configure("proxy_pass http://" + str(self.upstream.port) + "; proxy_connect_timeout 1s;")

    def configure(self, answer: str) -> None:
        """Write the configuration; nginx answers like this."""
        if self.name == "redis":
            (self.folder / "redis.conf").write_text(
                f"bind {LOOPBACK}\nport {self.port.number}\ndaemonize yes\npidfile {self.pidfile}\n"
                f'dir {self.folder}\nlogfile {self.folder}/redis.log\nsave ""\nappendonly no\n'
                "maxmemory 8mb\nmaxmemory-policy noeviction\n"
            )
            return
        scratch = "".join(
            f"  {kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            _NGINX.format(folder=self.folder, scratch=scratch, port=self.port, tls=self.tls, answer=answer)
        )

    def act(self, verb: str) -> None:
        """Do as a human does, by the same program."""
        subprocess.run([str(self.do), verb], check=False, capture_output=True, timeout=START_S)

    def nginx(self, *words: str) -> None:
        """Tell nginx something, without that being an action of a keeper."""
        subprocess.run([*self.argv, *words], check=True, capture_output=True, timeout=START_S)

    def reload(self) -> None:
        """Have nginx read its files anew, and wait until no worker is left that did not."""
        old = psutil.Process(int(self.pidfile.read_text())).children()
        self.nginx("-s", "reload")
        until(lambda: not [one for one in old if lives(one)], 5, "the old workers end", pause_s=0.005)

    def actions(self) -> list[str]:
        """Return what was done since ``forget``; old logs that vanished otherwise were cleaned as well."""
        try:
            done = (self.folder / "actions").read_text().split()
        except OSError:
            done = []
        old = len(list(self.logs.glob("access.log.*"))) if self.name == "nginx" else OLD_LOGS
        if old < OLD_LOGS and "clean" not in done:
            done.append("clean")
        return done

    def forget(self) -> None:
        """Count from now."""
        (self.folder / "actions").write_text("")

    def members(self) -> list[psutil.Process]:
        """Return its processes, workers without a master as well."""
        # What psutil.process_iter remembers would call a process by its name before its execve.
        psutil.process_iter.cache_clear()
        return [process for process in psutil.process_iter() if _belongs(process, self.folder)]

    def signal(self, number: signal.Signals) -> None:
        """Send all of its processes a signal."""
        for process in self.members():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def answers(self) -> bool:
        """Tell whether it serves: a page, or a write."""
        if self.name == "redis":
            # One write may find what another just gave back; so many at once do not.
            return all(self.ask(f"SET bench:{n} {WRITTEN}").startswith("+OK") for n in range(WRITES))
        return get(self.port.number, "/", timeout_s=0.5).status == 200

    def ask(self, command: str) -> str:
        try:
            with socket.create_connection((LOOPBACK, self.port.number), timeout=0.5) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.recv(4096).decode()
        except OSError:
            return ""

    def shows_fresh(self) -> bool:
        """Tell whether the certificate that it shows is the one that is valid."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection((LOOPBACK, self.tls.number), timeout=0.5) as plain,
                context.wrap_socket(plain) as talk,
            ):
                der = talk.getpeercert(binary_form=True)
        except OSError:
            return False
        assert der, "a server shows a certificate"
        return ssl.DER_cert_to_PEM_cert(der) in (self.folder / "fresh.pem").read_text()

    def logs_again(self) -> bool:
        """Tell whether there is room for the log, and a request leaves a line in it."""
        space = os.statvfs(self.logs)
        if space.f_bavail < ROOM_PART * space.f_blocks:
            return False
        log = self.logs / "access.log"
        before = log.stat().st_size if log.exists() else 0
        served = self.answers()
        time.sleep(0.05)
        return served and log.exists() and log.stat().st_size > before


def lives(process: psutil.Process) -> bool:
    """Tell whether a process still does anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.name() not in NAMES:
            return False
        if process.cwd() == str(folder) or str(folder) in " ".join(process.cmdline()):
            return True
        return any(file.path.startswith(f"{folder}/") for file in process.open_files())
    except psutil.Error:
        return False


@contextmanager
def made(name: str, folder: Path) -> Iterator[Subject]:
    """Make one, with its log's filesystem and its upstream, until the block ends; it is not started."""
    folder.mkdir(parents=True)
    ports = [Port.free() for _ in range(3)]
    one = Subject(name, folder, ports[0], ports[1], Upstream(ports[2]))
    mounted = False
    try:
        if name == "nginx":
            _issue(folder)
            _mount(one)
            mounted = True
            one.upstream.start()
        one.write()
        yield one
    finally:
        one.upstream.stop()
        one.signal(signal.SIGKILL)
        if mounted:
            until(lambda: _unmounted(one), 5, "its filesystem is free", lambda: str(one.members()))
        for port in ports:
            port.close()


def _unmounted(one: Subject) -> bool:
    one.signal(signal.SIGKILL)
    try:
        unmount(one.logs)
    except NoMount:
        return False
    return True


def _issue(folder: Path) -> None:
    from agent.drill.issue import issue  # noqa: PLC0415  # only nginx shows a certificate

    issue(folder / "fresh.pem", 30)
    issue(folder / "expired.pem", -1)
    (folder / "shown.pem").write_bytes((folder / "fresh.pem").read_bytes())


def _mount(one: Subject) -> None:
    content = one.folder / "content"
    content.mkdir()
    for number in range(OLD_LOGS):
        (content / f"access.log.{number}").write_bytes(OLD_LOG)
    one.logs.mkdir()
    mount_file(one.folder / "disk", content, one.logs)
