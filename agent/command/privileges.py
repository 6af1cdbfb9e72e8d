"""``beforehand privileges``: what must be granted for the playbooks that are enabled, and nothing more."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from agent.cli import EX_CONFIG, EX_OK
from agent.command.hand import USER
from agent.config import load
from model.misfit import Rejected
from remediations.apart.allowed import compiled
from remediations.apart.privileges import privileges
from remediations.apart.privileges_text import FORMATS
from remediations.host import this_host


def add_options(parser: argparse.ArgumentParser, config: Path) -> None:
    """Add the options of this command."""
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    parser.add_argument("--format", choices=tuple(FORMATS), default="text", help="for whom (default text)")
    parser.add_argument("--user", default=USER, help=f"the agent's user (default {USER})")


def command(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print the rights in the form that is asked for; returns the exit code."""
    config = options.config / "agent.yaml" if options.config.is_dir() else options.config
    try:
        installation = load(config)
    except Rejected as refused:
        err.write(f"{refused}\n")
        return EX_CONFIG
    host = this_host()
    given = privileges(compiled(installation.playbooks, host), host)
    out.write(FORMATS[options.format](given, options.user))
    return EX_OK
