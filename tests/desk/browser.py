"""A real browser without a window, driven over a pipe by the DevTools protocol."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

# Loopback is reached and nothing else, whatever the browser would like to ask at home.
_ARGV: Final = (
    "chromium",
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-pipe",
)
# The protocol is spoken over the descriptors 3 and 4, each message ended by a NUL.
_BECOME: Final = "import os, sys; os.dup2({}, 3); os.dup2({}, 4); os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass(slots=True)
class Browser:
    """One browser; ``tab`` opens a page in it."""

    into: IO[bytes]
    out: IO[bytes]
    number: int = 0
    rest: bytes = b""
    events: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, session: str = "", **params: object) -> Any:
        self.number += 1
        message: dict[str, object] = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.into.write(json.dumps(message).encode() + b"\0")
        self.into.flush()
        while True:
            said = self._next()
            if said.get("id") == self.number:
                assert "error" not in said, (method, said["error"])
                return said["result"]
            self.events.append(said)

    def wait(self, event: str, session: str) -> None:
        """Wait until this event of a tab, which may have come already."""
        while not any(one.get("method") == event and one.get("sessionId") == session for one in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            piece = os.read(self.out.fileno(), 1 << 20)
            assert piece, "the browser ended"
            self.rest += piece
        said, _, self.rest = self.rest.partition(b"\0")
        found = json.loads(said)
        assert isinstance(found, dict)
        return found

    @contextmanager
    def tab(self, width: int = 1280, scheme: str = "light") -> Iterator[Tab]:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        tab.ask("Page.enable")
        tab.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        tab.ask("Emulation.setEmulatedMedia", features=[feature])
        try:
            yield tab
        finally:
            self.ask("Target.closeTarget", targetId=target)


@dataclass(frozen=True, slots=True)
class Tab:
    """One page in the browser."""

    browser: Browser
    session: str

    def ask(self, method: str, **params: object) -> Any:
        return self.browser.ask(method, self.session, **params)

    def open(self, address: str) -> None:
        self.browser.events.clear()
        failed = self.ask("Page.navigate", url=address).get("errorText")
        assert not failed, (address, failed)
        self.browser.wait("Page.loadEventFired", self.session)

    def value(self, script: str) -> Any:
        """Return what a script in the page makes, also where it takes its time."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def judge(self, *tags: str) -> list[str]:
        """Return what axe finds wrong with the page under the rules of these tags."""
        self.value(_axe() + "\n;0")
        found = self.value(
            f"axe.run(document, {{runOnly: {json.dumps(tags)}, resultTypes: ['violations']}})"
            ".then(found => JSON.stringify(found.violations.map("
            "one => [one.id, one.nodes.map(node => node.html.slice(0, 200) + ' ' + node.failureSummary)])))"
        )
        return [f"{rule}: {nodes}" for rule, nodes in json.loads(found)]


def _axe() -> str:
    spec = importlib.util.find_spec("axe_core_python")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("axe.min.js").read_text("utf-8")


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run one with a profile in this folder."""
    told_out, told_in = os.pipe()
    said_out, said_in = os.pipe()
    become = _BECOME.format(told_out, said_in)
    argv = [sys.executable, "-c", become, *_ARGV, f"--user-data-dir={folder}", "about:blank"]
    environment = {**os.environ, "HOME": str(folder)}
    process = subprocess.Popen(
        argv,
        env=environment,
        pass_fds=(told_out, said_in),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(told_out)
    os.close(said_in)
    with os.fdopen(told_in, "wb") as into, os.fdopen(said_out, "rb", buffering=0) as out:
        found = Browser(into, out)
        try:
            yield found
        finally:
            # It ends before it would answer.
            into.write(b'{"id": 0, "method": "Browser.close"}\0')
            into.flush()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
