"""The command ``beforehand drill``."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, TextIO

from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.config import AgentConfig, load
from agent.drill import leftovers, refusal, report
from agent.drill.apart import NoMount
from agent.drill.faults import FAULTS, Fault
from agent.drill.installed import standing
from agent.drill.issue import NotIssued
from agent.drill.play import Drill, Stopped
from agent.drill.unit import NoUnit
from agent.loopback import InVain
from agent.state import inner
from model.duration import Duration
from model.misfit import Misfit, Rejected
from remediations.host import this_host
from remediations.running.audit import About
from remediations.running.journal import Journal, JournalLost

ENDED: Final = 143
INTERRUPTED: Final = 130
_NAMES: Final = tuple(fault.name for fault in FAULTS)


def add_options(parser: argparse.ArgumentParser, config: Path, state: Path) -> None:
    """Add the options of this command."""
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"{', '.join(_NAMES)}; left out, all")
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    parser.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")
    for word, what in (
        ("noticed", "an alert fires"),
        ("healed", "the work helps"),
        ("told", "a notice is read"),
    ):
        parser.add_argument(f"--{word}-within", type=_length, metavar="TIME", help=f"how soon {what}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")


def command(options: argparse.Namespace, out: TextIO, err: TextIO, clock: Clock) -> int:
    """Carry out the drills and print them; exit code 1 where one was refused or its objective not met."""
    strange = [name for name in options.faults if name not in _NAMES]
    if strange:
        print(printable(f"there is no fault {strange[0]!r}; choose among {', '.join(_NAMES)}"), file=err)
        return EX_USAGE
    file = options.config / "agent.yaml" if options.config.is_dir() else options.config
    # Ended from outside, it cleans up after itself as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))
    try:
        config = load(file).config
        objective = config.drill.changed(options.noticed_within, options.healed_within, options.told_within)
        drill = Drill(clock, this_host(), objective, lambda: refusal.stopped(options.state))
        chosen = [fault for fault in FAULTS if not options.faults or fault.name in options.faults]
        done = list(_carried_out(drill, config, options.state, chosen, err))
    except (Rejected, Misfit, InVain, NotIssued, NoMount, NoUnit) as wrong:
        print(*map(printable, f"no drill: {wrong}".splitlines()), sep="\n", file=err)
        return EX_FAILED
    except (leftovers.UnderWay, _Refused, Stopped) as why:
        print(printable(f"no drill now: {why}"), file=err)
        return EX_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as wrong:
        print(f"no drill: {options.state}: {wrong.strerror}; name the agent's --state", file=err)
        return EX_FAILED
    _write(done, config, out, as_json=options.json)
    return EX_OK if all(one.met for one in done) else EX_FAILED


class _Refused(Exception):
    """This is no time for a drill; the text says why."""


def _carried_out(
    drill: Drill, config: AgentConfig, state: Path, faults: list[Fault], err: TextIO
) -> Iterator[report.Report]:
    drills = state / "drills"
    with leftovers.alone(drills):
        for name in leftovers.sweep_all(drills):
            print(f"[DRILL] {name} was cut off; what it left was taken away", file=err)
        reason = refusal.objection(config, state, _instance(config), drill.clock.now_ms())
        if reason:
            raise _Refused(reason)
        for fault in faults:
            print(f"[DRILL] {fault.name}: {fault.summary}", file=err, flush=True)
            done = drill.play(fault, drills / secrets.token_hex(4))
            _note(inner(state) / "runs.db", done, drill.clock.now_ms, err)
            yield done


def _note(file: Path, done: report.Report, now_ms: Callable[[], int], err: TextIO) -> None:
    """Write into the host's own book that this was a drill: it is no run, so no statistics count it."""
    if not file.is_file():
        return
    try:
        with closing(Journal(file)) as journal:
            journal.attest(About("drill", done.drill, done.fact()), now_ms())
    except JournalLost as lost:
        print(printable(f"the drill is not in the book: {lost}"), file=err)


def _write(done: list[report.Report], config: AgentConfig, out: TextIO, *, as_json: bool) -> None:
    known = standing(config, _instance(config))
    if as_json:
        facts = [one.fact() for one in done]
        whole = {"drills": facts, "proved": known.proved, "not_proved": known.open}
        print(json.dumps(whole, indent=2), file=out)
        return
    for one in done:
        print(*report.lines(one), "", sep="\n", file=out)
    print(*report.proof(done, known), sep="\n", file=out)
    print("cleaned up  everything that was made for it is gone", file=out)


def _instance(config: AgentConfig) -> str:
    return config.instance or socket.gethostname()


def _length(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
