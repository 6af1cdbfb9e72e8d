"""A real agent process for a test, with its files in one folder and its log at hand."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RELOADED = re.compile(r"^beforehand_config_last_reload_successful\{.*\} (.*)$", re.MULTILINE)
CONFIG = "listen: 127.0.0.1:0\nrules: [self, host]\nprobes:\n- load: {}\n  every: 1s\n"


class Agent:
    """A real agent process, and what it logs."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "agent.yaml"
        self.state = directory / "state"
        self._log = directory / "log"
        self._out = self._log.open("wb")
        argv = [
            sys.executable,
            "-m",
            "agent.cli",
            "agent",
            "--config",
            str(self.config),
            "--state",
            str(self.state),
        ]
        self.process = subprocess.Popen(argv, stderr=self._out)

    def log(self) -> str:
        return self._log.read_text()

    def until(self, done: Callable[[], Any], what: str) -> Any:
        end_s = time.monotonic() + 45
        while time.monotonic() < end_s and self.process.poll() is None:
            found = done()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {what}: {self.log()}")

    def port(self) -> int:
        found = self.until(lambda: re.search(r"metrics on port (\d+)", self.log()), "the port")
        return int(found[1])

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=30) as answer:
            body: bytes = answer.read()
        return body.decode()

    def post(self, path: str, method: str = "POST", **headers: str) -> tuple[int, str]:
        """Send a request that changes something; returns its status and what was said."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=30)
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    def end(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self._out.close()


@contextmanager
def agent(directory: Path, config: str = CONFIG) -> Iterator[Agent]:
    (directory / "agent.yaml").write_text(config)
    running = Agent(directory)
    try:
        yield running
    finally:
        running.end()
