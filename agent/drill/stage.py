"""Where a drill takes place: a private folder with an agent, a desk and four ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from agent.loopback import free_ports

END_S: Final = 20.0
TAIL_LINES: Final = 20

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Stage:
    """One drill's folder below ``drills/`` of the state directory; its name is that of the drill."""

    folder: Path
    agent_port: int
    desk_port: int
    page_port: int
    port: int

    @classmethod
    def at(cls, folder: Path) -> Stage:
        """Take a new folder and free ports."""
        return cls(folder, *free_ports(4))

    @property
    def name(self) -> str:
        """The drill's name."""
        return self.folder.name

    @property
    def pidfile(self) -> Path:
        """The pid file of what is killed."""
        return self.folder / "sacrifice.pid"

    @property
    def certificate(self) -> Path:
        """The certificate that is shown, with its key."""
        return self.folder / "shown.pem"

    @property
    def log(self) -> Path:
        """What all programs of the drill say."""
        return self.folder / "log"

    def furnish(self, fault: str, words: Mapping[str, object]) -> None:
        """Write the configuration for a fault; every word is written as JSON, which is YAML as well."""
        known = {
            "agent": f"127.0.0.1:{self.agent_port}",
            "desk": f"127.0.0.1:{self.desk_port}",
            "desk_url": f"http://127.0.0.1:{self.desk_port}",
            "page": f"127.0.0.1:{self.page_port}",
            "page_url": f"http://127.0.0.1:{self.page_port}",
            "python": sys.executable,
            "pidfile": str(self.pidfile),
            "certificate": str(self.certificate),
            "port": str(self.port),
            **words,
        }
        quoted = {word: json.dumps(value) for word, value in known.items()}
        for source in (*(_HERE / "shared").glob("*.y*ml"), *(_HERE / fault).glob("*.y*ml")):
            (self.folder / source.name).write_text(Template(source.read_text()).substitute(quoted))

    @contextlib.contextmanager
    def running(self, argv: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program that ends with the block, and with this process however that ends."""
        tie = (sys.executable, "-m", "agent.drill.tied", str(os.getpid()))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*tie, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def played(self) -> Iterator[None]:
        """Run the drill's own agent and desk until the block ends."""
        command = (sys.executable, "-m", "agent.cli")
        with contextlib.ExitStack() as ends:
            for room in ("desk", "agent"):
                files = ("--config", str(self.folder / f"{room}.yaml"), "--state", str(self.folder / room))
                ends.enter_context(self.running((*command, room, *files)))
            yield

    def tail(self) -> str:
        """Return the end of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        except OSError:
            return ""
