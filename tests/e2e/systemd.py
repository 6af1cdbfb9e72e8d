"""A systemd of one's own: a user manager that knows no unit but ours, in mounts of its own; root alone can.

It refuses to run where no systemd is the init, which it tells by /run/systemd/system; so it has its own /run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.patience import until

SYSTEMD: Final = Path("/usr/lib/systemd/systemd")
READY_S: Final = 45.0

_ALONE: Final = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec {systemd} --user"


@dataclass(frozen=True, slots=True)
class Manager:
    """The running manager."""

    folder: Path

    @property
    def units(self) -> Path:
        """Where it finds units."""
        return self.folder / "systemd/user"

    @property
    def environment(self) -> dict[str, str]:
        """What systemctl must find in its environment."""
        own = {"XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)}
        return {**os.environ, **own, "XDG_CONFIG_HOME": str(self.folder), "SYSTEMD_PAGER": ""}

    def ctl(self, *words: str) -> str:
        """Tell it something; return what it says."""
        argv = ["systemctl", "--user", *words]
        done = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, timeout=45, check=False
        )
        return done.stdout + done.stderr

    def said(self) -> str:
        """Return its log."""
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def running() -> Iterator[Manager]:
    """Run one until the block ends."""
    # Its sockets' names must be short.
    manager = Manager(Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp")))
    manager.units.mkdir(parents=True)
    with (manager.folder / "log").open("wb") as log:
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ALONE.format(systemd=SYSTEMD)]
        process = subprocess.Popen(words, env=manager.environment, stdout=log, stderr=log, cwd=manager.folder)
    try:
        until(lambda: "Version=" in manager.ctl("show"), READY_S, "systemd runs", manager.said)
        yield manager
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(manager.folder, ignore_errors=True)
