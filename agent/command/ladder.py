"""``beforehand ladder`` and ``reinstate``: what playbooks have shown; the way back for one that did harm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.command.restrain import playbook_name, who
from agent.config import load
from agent.healing import ladder_report
from agent.state import inner
from model.misfit import Rejected
from remediations.host import this_host
from remediations.ladder.rungs import every_rung
from remediations.running.journal import Journal, JournalLost

SHOWN_MAX: Final = 10


def add_commands(commands: Any, config: Path, state: Path) -> None:
    """Add the two commands."""
    shown = commands.add_parser("ladder", help="tell what each playbook has shown, and what it may do next")
    shown.add_argument("playbook", nargs="?", type=playbook_name, metavar="PLAYBOOK", help="this one alone")
    shown.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    shown.set_defaults(do=lambda options: ladder(options, sys.stdout, sys.stderr, Clock().now_ms))
    back = commands.add_parser("reinstate", help="let a playbook that did harm act again as its mode says")
    back.add_argument("playbook", type=playbook_name, metavar="PLAYBOOK")
    back.add_argument("--because", required=True, metavar="TEXT", help="why, for those who find it later")
    back.set_defaults(do=lambda options: reinstate(options, sys.stdout, sys.stderr, Clock().now_ms))
    for command in (shown, back):
        command.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")


def ladder(options: argparse.Namespace, out: TextIO, err: TextIO, now_ms: Callable[[], int]) -> int:
    """Print where playbooks stand; returns the exit code."""
    config = options.config / "agent.yaml" if options.config.is_dir() else options.config
    try:
        written = load(config).playbooks
        chosen = [one for one in written if options.playbook in (None, one.playbook)]
        if options.playbook and not chosen:
            print(f"no playbook of {config} is called {options.playbook!r}", file=err)
            return EX_USAGE
        with _journal(options.state) as journal:
            rungs = list(every_rung(chosen, journal, this_host(), now_ms()))
        shown_max = ladder_report.EVIDENCE_TOLD_MAX if options.playbook else SHOWN_MAX
        for playbook, rung in zip(chosen, rungs, strict=True):
            print(*map(printable, ladder_report.lines(rung, playbook.place, shown_max)), sep="\n", file=out)
    except (Rejected, JournalLost) as wrong:
        print(printable(str(wrong)), file=err)
        return EX_FAILED
    return EX_OK


def reinstate(options: argparse.Namespace, out: TextIO, err: TextIO, now_ms: Callable[[], int]) -> int:
    """Lift a demotion and write down who did so and why; a running agent hears of it within a second."""
    try:
        with _journal(options.state) as journal:
            demotion = journal.demotions().get(options.playbook)
            if demotion is not None:
                journal.reinstate(demotion, who(), options.because, now_ms())
    except JournalLost as lost:
        print(printable(f"not reinstated: {lost}"), file=err)
        return EX_FAILED
    if demotion is None:
        out.write(f"{options.playbook} is not demoted\n")
    else:
        out.write(printable(f"{options.playbook} acts again as its mode says; {demotion.reason}") + "\n")
    return EX_OK


@contextmanager
def _journal(state: Path) -> Iterator[Journal]:
    file = inner(state) / "runs.db"
    if not file.is_file():
        raise JournalLost(f"there is no journal {file}; name the agent's --state")
    with closing(Journal(file)) as journal:
        yield journal
