from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from agent.approval.key import key_file
from agent.cli import EX_CONFIG, EX_OK
from agent.demo import Stage
from agent.loopback import free_ports
from model.grant import KEY_BYTES, key_of

Found = TypeVar("Found")


def until(done: Callable[[], Found | None], what: str) -> Found:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        found = done()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def child(parent: subprocess.Popen[bytes], word: str) -> int:
    """Return the process id of the agent or the desk below a supervisor, 0 while there is none."""
    for entry in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split():
        words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        if word.encode() in words:
            return int(entry)
    return 0


def another(parent: subprocess.Popen[bytes], word: str, than: int) -> int:
    """Wait for an agent or a desk that is not the one of before."""
    return until(lambda: {than: 0}.get(pid := child(parent, word), pid), f"a new {word}")


def argv(directory: Path) -> list[str]:
    options = ["--config", str(directory), "--state", str(directory / "state")]
    return [sys.executable, "-m", "agent.cli", "run", *options]


@contextmanager
def both(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    Stage(directory, *free_ports(4)).furnish()
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(argv(directory), stdout=log, stderr=log) as parent,
    ):
        try:
            yield parent
        finally:
            parent.terminate()
            parent.wait(30)


def test_what_dies_is_started_again_and_both_end_together(tmp_path: Path) -> None:
    with both(tmp_path) as parent:
        for word in ("agent", "desk"):
            first = another(parent, word, than=0)
            os.kill(first, signal.SIGKILL)
            another(parent, word, than=first)
        children = [child(parent, word) for word in ("agent", "desk")]
        parent.send_signal(signal.SIGINT)
        assert parent.wait(30) == EX_OK
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_a_configuration_that_is_refused_ends_both_at_once(tmp_path: Path) -> None:
    Stage(tmp_path, *free_ports(4)).furnish()
    (tmp_path / "agent.yaml").write_text("probes: []\n")
    done = subprocess.run(argv(tmp_path), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == EX_CONFIG
    assert "agent.yaml:1:1: there is no probe" in done.stderr


def test_the_approval_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    file = key_file(tmp_path / "state" / "agent")
    with both(tmp_path) as parent:
        another(parent, "agent", than=0)
        first = file.read_text()
        assert len(key_of(first)) == KEY_BYTES
        assert file.stat().st_mode & 0o777 == 0o600
    with both(tmp_path) as parent:
        another(parent, "agent", than=0)
        assert file.read_text() == first


def test_without_a_place_for_the_key_both_are_run_all_the_same(tmp_path: Path) -> None:
    key_file(tmp_path / "state" / "agent").mkdir(parents=True)
    with both(tmp_path) as parent:
        another(parent, "agent", than=0)
        assert "nothing that needs approval is done: " in (tmp_path / "log").read_text()
