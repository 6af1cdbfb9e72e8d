"""The demo: a small shop is killed, and what becomes of it is printed as a table."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from agent.demo import table
from agent.loopback import InVain, awaited, free_ports, get

READY_S: Final = 45.0
WHOLE_S: Final = 60.0

KEEP_HINT: Final = "; beforehand demo --keep leaves it up"

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: a directory of its own and four free ports on loopback."""

    directory: Path
    agent_port: int
    desk_port: int
    page_port: int
    shop_port: int

    @property
    def pidfile(self) -> Path:
        """The pid file of the shop."""
        return self.directory / "shop.pid"

    @property
    def page(self) -> str:
        """The address of the status page."""
        return f"http://127.0.0.1:{self.page_port}/"

    def furnish(self) -> None:
        """Write the demo's configuration, with the ports and paths filled in."""
        words = {
            "agent_port": self.agent_port,
            "desk_port": self.desk_port,
            "page_port": self.page_port,
            "shop_port": self.shop_port,
            "shop_pidfile": self.pidfile,
            "python": sys.executable,
        }
        for source in (*_HERE.glob("*.yaml"), *_HERE.glob("*.yml")):
            (self.directory / source.name).write_text(Template(source.read_text()).safe_substitute(words))


class Failed(Exception):
    """One link of the loop did not hold."""


def run(*, keep: bool) -> int:
    """Play the demo; returns 0 when every link held: noticed, healed, told, and everybody else left alone."""
    # Ended from outside, it cleans up after itself as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="beforehand-demo-") as directory:
        stage = Stage(Path(directory), *free_ports(4))
        stage.furnish()
        try:
            with _playing(stage):
                story = _play(stage)
                print(table.render(story))
                print(f"the page      {stage.page}")
                if keep:
                    print("              it stays up until Ctrl-C")
                    with contextlib.suppress(KeyboardInterrupt):
                        signal.pause()
        except (Failed, InVain) as failed:
            print(f"\nthe demo failed: {failed}\n{_tail(stage)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(
        "cleaned up    everything that was started has ended, the page as well" + ("" if keep else KEEP_HINT)
    )
    return 0


@contextlib.contextmanager
def _playing(stage: Stage) -> Iterator[None]:
    """Run the shop, the agent and the desk; end all of them on the way out, whatever happened."""
    log = (stage.directory / "log").open("wb")
    argv = [sys.executable, "-m", "agent.cli", "run"]
    options = ["--config", str(stage.directory), "--state", str(stage.directory / "state")]
    shop = subprocess.Popen(
        [sys.executable, "-m", "agent.demo.shop", str(stage.shop_port), str(stage.pidfile)],
        stdout=log,
        stderr=log,
    )
    both = subprocess.Popen([*argv, *options], stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        both.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            both.wait(20)
        both.kill()
        both.wait()
        _end_shop(stage)
        shop.kill()
        shop.wait()
        log.close()


def _end_shop(stage: Stage) -> None:
    """End the shop that the agent started in the place of ours; its pid file names it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(stage.pidfile.read_text())
        if b"agent.demo.shop" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def _play(stage: Stage) -> table.Story:
    """Wait until all is well, kill the shop, and follow what the desk says until it is told and over."""
    print("the shop      starts, with an agent, a desk and three customers in two regions")
    awaited("the shop opens", lambda: get(f"http://127.0.0.1:{stage.shop_port}/"), READY_S)
    awaited("the desk is ready", lambda: get(f"http://127.0.0.1:{stage.desk_port}/-/ready"), READY_S)
    awaited("the agent is ready", lambda: _seen_well(stage), READY_S)
    pid = int(stage.pidfile.read_text())
    killed_ms = time.time_ns() // 1_000_000
    os.kill(pid, signal.SIGKILL)
    print(f"kill -9 {pid:<5} the shop is dead")
    incident = awaited("the incident is told and over", lambda: _over(stage), WHOLE_S)
    awaited("the shop is open again", lambda: get(f"http://127.0.0.1:{stage.shop_port}/"), READY_S)
    story = table.Story(killed_ms, incident)
    missing = story.missing()
    if missing:
        raise Failed("; ".join(missing))
    return story


def _seen_well(stage: Stage) -> bool:
    metrics = get(f"http://127.0.0.1:{stage.agent_port}/metrics")
    seen = 'beforehand_process_count{group="shop"' in metrics and "\nprobe_success{" in metrics
    return seen and "Watchdog" in get(f"http://127.0.0.1:{stage.desk_port}/api/v2/alerts")


def _over(stage: Stage) -> dict[str, Any] | None:
    """Return the one incident once it is resolved and everybody concerned has both notices."""
    answer = get(f"http://127.0.0.1:{stage.desk_port}/api/v1/incidents")
    incidents = json.loads(answer) if answer else []
    return next((each for each in incidents if table.over(each)), None)


def _tail(stage: Stage) -> str:
    lines = (stage.directory / "log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-20:])
