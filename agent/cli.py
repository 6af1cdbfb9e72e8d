"""The entry of the command line; it loads only what the command needs, for daemons must stay small."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Final

EX_OK: Final = 0
EX_FAILED: Final = 1
EX_USAGE: Final = 2
EX_CHANGES: Final = 2
EX_LINT: Final = 3
EX_CONFIG: Final = 78

_DAEMONS: Final = {"agent": "agent.start", "run": "agent.supervise", "hand": "agent.command.hand"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else ""
    if first == "desk":
        return _desk(words[1:])
    if first in _DAEMONS:
        code: int = importlib.import_module(_DAEMONS[first]).main(words[1:])
    else:
        code = importlib.import_module("agent.commands").main(words)
    return code


def _desk(words: list[str]) -> int:
    """Start the desk through its entry point, so that the agent never imports it."""
    for command in importlib.metadata.entry_points(group="beforehand.commands", name="desk"):
        try:
            desk = command.load()
        except ModuleNotFoundError as missing:
            sys.stderr.write(f"the desk needs {missing.name}; install beforehand[desk]\n")
            return EX_FAILED
        code: int = desk(words)
        return code
    sys.stderr.write("the desk is not installed; install beforehand[desk]\n")
    return EX_FAILED


if __name__ == "__main__":
    sys.exit(main())
