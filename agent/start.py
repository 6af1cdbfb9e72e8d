"""The command ``beforehand agent``: one host's agent, alone in its process."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.cli import EX_CONFIG, EX_FAILED
from agent.config import load
from agent.daemon import Daemon
from agent.logs import to_standard_error
from agent.memory import Newer
from agent.state import DEFAULTS, StateDirectory, Taken, here
from model.misfit import Rejected
from remediations.running.journal import JournalLost


def main(words: Sequence[str]) -> int:
    """Parse the words after ``agent`` and run it; what other commands need is not loaded."""
    parser = argparse.ArgumentParser("beforehand agent", description="Run the agent alone.")
    add_options(parser)
    options = parser.parse_args(words)
    to_standard_error(verbose=False)
    return command(options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--config", type=Path, default=DEFAULTS / "agent.yaml", help="agent.yaml")
    parser.add_argument("--state", type=Path, default=here() / "agent", help="where state is kept")


def command(options: argparse.Namespace) -> int:
    """Run the agent until it is told to stop; returns the exit code."""
    with contextlib.ExitStack() as held:
        try:
            state = held.enter_context(contextlib.closing(StateDirectory(options.state)))
            installation = load(options.config)
            daemon = Daemon(installation, socket.gethostname(), state, lambda: load(options.config))
        except Rejected as refused:
            sys.stderr.write(f"{refused}\n")
            return EX_CONFIG
        except (Taken, Newer, JournalLost) as fact:
            sys.stderr.write(f"{fact}\n")
            return EX_FAILED
        except OSError as wrong:
            sys.stderr.write(f"the agent cannot start: {wrong}\n")
            return EX_FAILED
        return daemon.run()
