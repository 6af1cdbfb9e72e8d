"""The nginx that everybody checks: one worker, a small page under every path, and a count of requests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.e2e.servers import program
from tests.e2e.web import get

_STATUS: Final = "/status"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the nginx counted since it started, without the questions for these numbers."""

    connections: int
    requests: int


class Target:
    """The running nginx."""

    def __init__(self, port: Port) -> None:
        self.port = port.number
        self._asked = 0

    def path(self, number: int) -> str:
        """Return the path of one of the checks."""
        return f"/check/{number}"

    def url(self, number: int) -> str:
        """Return the URL of one of the checks."""
        return f"http://{LOOPBACK}:{self.port}{self.path(number)}"

    def seen(self) -> Seen:
        """Return what was counted."""
        self._asked += 1
        accepts, _, requests = get(self.port, _STATUS).text.splitlines()[2].split()
        return Seen(int(accepts) - self._asked, int(requests) - self._asked)


@contextmanager
def running(folder: Path, core: int | None) -> Iterator[Target]:
    """Run the nginx on this core until the block ends."""
    nginx = program("nginx")
    assert nginx, "nginx is not installed"
    folder.mkdir(parents=True)
    port = Port.free()
    config = folder / "nginx.conf"
    config.write_text(_config(folder, port.number))
    argv = [*pinned(core), nginx, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(argv)
    try:
        until(lambda: _answers(port.number), 10, "nginx answers")
        target = Target(port)
        target.seen()
        yield target
    finally:
        process.terminate()
        process.wait(10)
        port.close()


def pinned(core: int | None) -> list[str]:
    """Return how a command is kept on one core."""
    taskset = program("taskset")
    return [taskset, "-c", str(core)] if taskset and core is not None else []


def _answers(port: int) -> bool:
    return get(port, _STATUS).status == 200


def _config(folder: Path, port: int) -> str:
    places = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{places}
  server {{
    listen {LOOPBACK}:{port} backlog=4096;
    location = {_STATUS} {{ stub_status; }}
    location / {{ default_type text/plain; return 200 "All is well.\\n"; }}
  }}
}}
"""
