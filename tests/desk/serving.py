"""A desk as it really runs: a process of its own, asked over HTTP, killed without a word."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True)
class Serving:
    """One desk; entering starts it, leaving ends it."""

    config: Path
    state: Path
    staff: int = 0
    public: int = 0
    process: subprocess.Popen[str] | None = None
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Serving:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.process = launch(self.config, self.state)
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        found = [_ADDRESS.search(line) for line in lines]
        if not all(found):
            raise AssertionError(f"the desk did not start: {lines} {self.process.communicate(timeout=10)}")
        self.public, self.staff = (int(one[1]) for one in found if one)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process = self.process
        if process is None:
            return 0
        self.process = None
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        self.errors.append(errors)
        return process.returncode

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        public: bool = False,
    ) -> Reply:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.public if public else self.staff, timeout=20
        )
        with closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def post(self, alerts: object) -> Reply:
        return self.ask(
            "/api/v2/alerts",
            method="POST",
            body=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )

    def incidents(self) -> list[dict[str, Any]]:
        found = self.ask("/api/v1/incidents").json()
        assert isinstance(found, list)
        return found


def launch(config: Path, state: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "desk.main", "--config", str(config), "--state", str(state)]
    return subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def until(true: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def alert(
    name: str = "CheckoutDown", *, over: bool = False, remedy: str = "acting", **labels: str
) -> dict[str, object]:
    """Return an alert in the form of the API."""
    known = {"alertname": name, "service": "checkout", "instance": "web1", **labels}
    words = {"notice": "You cannot pay at the moment.", "beforehand_status": remedy}
    times = {"startsAt": stamp(-5)} | ({"endsAt": stamp(-1)} if over else {"endsAt": stamp(240)})
    return {"labels": known, "annotations": words, **times}


def stamp(after_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after_s))
