"""``beforehand hold``, ``unhold`` and ``deployed``: what people tell an agent by files in its state."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from agent.cli import EX_FAILED, EX_OK
from agent.clock import Clock
from agent.state import deployed_file, holds_folder, inner
from model.duration import Duration
from model.misfit import Misfit
from remediations.hold import USUAL, Holds, lasting
from remediations.mark import write
from remediations.writing.playbook import Name


def add_commands(commands: Any, state: Path) -> None:
    """Add the three commands."""
    hold = commands.add_parser("hold", help="keep playbooks from beginning anything, for a while")
    hold.add_argument(
        "--for", dest="length", type=_length, default=USUAL, metavar="TIME", help="1h by default"
    )
    hold.add_argument("--because", required=True, metavar="TEXT", help="why, for those who find it later")
    unhold = commands.add_parser("unhold", help="end a hold")
    for command, do in ((hold, _hold), (unhold, _unhold)):
        command.add_argument("--playbook", type=playbook_name, metavar="NAME", help="this one; else all")
        command.set_defaults(do=do)
    deployed = commands.add_parser("deployed", help="say that something was deployed, so that it may warm up")
    deployed.set_defaults(do=_deployed)
    for command in (hold, unhold, deployed):
        command.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")


def who() -> str:
    """Return who types this, as far as one can know."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"user {os.getuid()}"


def _hold(options: argparse.Namespace) -> int:
    until_ms = Clock().now_ms() + options.length.ms
    what = options.playbook or "every playbook"
    try:
        Holds(holds_folder(inner(options.state))).set(
            options.playbook or "", who(), options.because, until_ms
        )
    except OSError as wrong:
        return _failed("not held back", options.state, wrong)
    sys.stdout.write(f"{what} begins nothing for {options.length}, or until `beforehand unhold`\n")
    return EX_OK


def _unhold(options: argparse.Namespace) -> int:
    try:
        lifted = Holds(holds_folder(inner(options.state))).lift(options.playbook or "")
    except OSError as wrong:
        return _failed("not ended", options.state, wrong)
    sys.stdout.write("the hold is over\n" if lifted else "there is no such hold\n")
    return EX_OK


def _deployed(options: argparse.Namespace) -> int:
    try:
        write(deployed_file(inner(options.state)), f"{who()}\n".encode())
    except OSError as wrong:
        return _failed("not noted", options.state, wrong)
    sys.stdout.write("noted: playbooks let it warm up first\n")
    return EX_OK


def _failed(what: str, state: Path, wrong: OSError) -> int:
    sys.stderr.write(f"{what}: {state}: {wrong.strerror}; name the agent's --state\n")
    return EX_FAILED


def _length(text: str) -> Duration:
    try:
        return lasting(text)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def playbook_name(text: str) -> str:
    """Read a playbook's name as a word of a command."""
    try:
        return Name.parse(text)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
