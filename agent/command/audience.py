"""``beforehand audience``: asks the desk, where it is installed, who would be told of an alert."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from model.misfit import Misfit, Rejected

GROUP: Final = "beforehand.previews"
EX_OK: Final = 0
EX_FAILED: Final = 1
EX_USAGE: Final = 2
EX_CONFIG: Final = 78


def add_options(parser: argparse.ArgumentParser, desk: Path) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "alert", metavar="ALERT", help='a name, or like \'{alertname="CheckoutSlow", region="eu"}\''
    )
    parser.add_argument("--desk", type=Path, default=desk, help="the desk.yaml whose catalogue decides")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def command(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the command; returns the exit code."""
    for point in importlib.metadata.entry_points(group=GROUP, name="audience"):
        try:
            preview: Callable[..., str] = point.load()
        except ModuleNotFoundError as missing:
            err.write(f"the desk needs {missing.name}; install beforehand[desk]\n")
            return EX_FAILED
        try:
            out.write(preview(options.desk, options.alert, as_json=options.json))
        except Rejected as wrong:
            err.write(f"{wrong}\n")
            return EX_CONFIG
        except Misfit as wrong:
            err.write(f"{wrong}\n")
            return EX_USAGE
        return EX_OK
    err.write("the desk is not installed; install beforehand[desk]\n")
    return EX_FAILED
