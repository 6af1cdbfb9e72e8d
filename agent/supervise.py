"""Runs agent and desk side by side on one machine, and stops both together."""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.approval.key import NoKey, key_file, made_key
from agent.logs import to_standard_error
from agent.state import DEFAULTS, here

STOP_S: Final = 10.0
RESTART_AFTER_S: Final = (0.2, 1, 2, 5, 10, 30)
EX_CONFIG: Final = 78

log = logging.getLogger("beforehand.run")


@dataclass(slots=True)
class _Child:
    """One of the two processes; ``due_s`` is when it is to be started (again), on the monotonic clock."""

    name: str
    argv: list[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    due_s: float = 0.0


def main(words: Sequence[str]) -> int:
    """Parse the words after ``run`` and run both; what other commands need is not loaded."""
    parser = argparse.ArgumentParser("beforehand run", description="Run agent and desk for this host.")
    add_options(parser)
    options = parser.parse_args(words)
    to_standard_error(verbose=False)
    return command(options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    state = here()
    parser.add_argument(
        "--config", type=Path, default=DEFAULTS, help="directory with agent.yaml and desk.yaml"
    )
    parser.add_argument("--state", type=Path, default=state, help=f"where state is kept (default {state})")


def command(options: argparse.Namespace) -> int:
    """Run agent and desk until told to stop; returns the exit code."""
    return run(options.config, options.state)


def run(config: Path, state: Path) -> int:
    """Start both, start again what dies, and end both on SIGTERM or SIGINT; returns the exit code.

    A process that refuses its configuration (exit code 78) is not started again: it would refuse again.
    """
    _furnish(state / "agent")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    children = [
        _Child("desk", _argv("desk", config / "desk.yaml", state / "desk")),
        _Child("agent", _argv("agent", config / "agent.yaml", state / "agent")),
    ]
    code = 0
    try:
        while not code:
            code = max(_tend(child, time.monotonic()) for child in children)
            if ended.wait(0.05):
                break
    finally:
        _stop(children)
    return code


def _furnish(state: Path) -> None:
    """Make the approval key where there is none, so that this user can approve at once."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        made_key(key_file(state))
    except (NoKey, OSError) as wrong:
        log.warning("nothing that needs approval is done: %s", wrong)


def _argv(word: str, config: Path, state: Path) -> list[str]:
    return [sys.executable, "-m", "agent.cli", word, "--config", str(config), "--state", str(state)]


def _tend(child: _Child, now_s: float) -> int:
    """Start the child when that is due; return an exit code other than 0 when that would be in vain."""
    if child.process is None:
        if now_s >= child.due_s:
            # A session of its own: Ctrl-C reaches the parent alone, which then ends both in order.
            child.process = subprocess.Popen(child.argv, start_new_session=True)
        return 0
    code = child.process.poll()
    if code is None:
        return 0
    if code == EX_CONFIG:
        return code
    wait_s = RESTART_AFTER_S[min(child.deaths, len(RESTART_AFTER_S) - 1)]
    log.error("the %s ended with code %d; it is started again in %g s", child.name, code, wait_s)
    child.process, child.deaths, child.due_s = None, child.deaths + 1, now_s + wait_s
    return 0


def _stop(children: list[_Child]) -> None:
    """End the agent before the desk, so that its last words are still taken."""
    for child in reversed(children):
        if child.process is None:
            continue
        child.process.terminate()
        try:
            child.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("the %s did not end within %g s; it is killed", child.name, STOP_S)
            child.process.kill()
            child.process.wait()
