"""``beforehand preview``: every step that a playbook could take on this host, looked at and not taken.

Each deed looks at what it would act upon, and every guard answers for now, by the journal as it is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import remediations.playbooks
from agent import files
from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.clock import Clock
from agent.config import load
from agent.healing.preview_guards import answers
from model.misfit import NOWHERE, Rejected
from model.plugin import Unplannable
from model.step import Host, Result, Risk, Step
from model.yaml_tree import FILE_BYTES_MAX
from remediations.actions.speech import is_speech
from remediations.hand import Hand
from remediations.host import this_host
from remediations.running.carrying import CarriesOut
from remediations.running.journal import JournalLost
from remediations.writing.playbook import Playbook, load_playbook
from remediations.writing.task import Task

RUN: Final = "preview"
SHOWN_CHARACTERS_MAX: Final = 300


def add_options(parser: argparse.ArgumentParser, config: Path, state: Path) -> None:
    """Add the options of this command."""
    parser.add_argument("playbook", help="its name, or its file")
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    parser.add_argument("--state", type=Path, default=state, help="the --state of run, or of agent")


def command(options: argparse.Namespace, out: TextIO, err: TextIO, clock: Clock) -> int:
    """Print what would be done and what speaks against it; exit code 1 where a step could not be taken."""
    try:
        playbook = _found(options)
    except Rejected as refused:
        print(refused, file=err)
        return EX_FAILED
    if isinstance(playbook, str):
        print(playbook, file=err)
        return EX_USAGE
    config = _config(options)
    with (
        tempfile.TemporaryDirectory(prefix="beforehand-") as keep,
        closing(Hand(clock.monotonic, clock.now_ms, Path(keep))) as hand,
    ):
        host = this_host()
        preview = Preview(playbook, host, hand)
        try:
            own = load(config).config
            guards = list(answers(playbook, own, host, hand, options.state, clock.now_ms()))
            looked = [line for task in playbook.tasks for line in preview.task(task)]
        except Unplannable as wrong:
            print(printable(f"it cannot be planned: {wrong}"), file=err)
            return EX_FAILED
        except (Rejected, JournalLost) as wrong:
            print(printable(str(wrong)), file=err)
            return EX_FAILED
    lines = [f"{playbook.playbook}: {playbook.summary}", "guards:", *guards, "steps:", *looked]
    print(*map(printable, lines), sep="\n", file=out)
    if preview.failed:
        print(f"{preview.failed} steps could not be taken now", file=err)
    return EX_FAILED if preview.failed else EX_OK


def _config(options: argparse.Namespace) -> Path:
    given: Path = options.config
    return given / "agent.yaml" if given.is_dir() else given


def _found(options: argparse.Namespace) -> Playbook | str:
    """Return the playbook, or a sentence that says that there is none of this name."""
    path = Path(options.playbook)
    if path.suffix not in (".yml", ".yaml"):
        config = _config(options)
        known: dict[str, Playbook] = {one.playbook: one for one in load(config).playbooks}
        if options.playbook in known:
            return known[options.playbook]
        shipped = Path(remediations.playbooks.__path__[0])
        found, _ = files.named((options.playbook,), config.parent, shipped, NOWHERE)
        if len(found) != 1:
            return f"no playbook is called {options.playbook!r}; name one of {config}, or a file"
        path = found[0]
    return load_playbook(files.read(path, FILE_BYTES_MAX), str(path))


@dataclass(slots=True)
class Preview:
    """One playbook on one host; ``failed`` counts the steps that could not be taken."""

    playbook: Playbook
    host: Host
    hand: CarriesOut
    failed: int = 0

    def task(self, task: Task) -> Iterator[str]:
        """Yield a task's risk and condition, then each of its steps, and what would undo them."""
        terms = task.terms
        when = " and ".join(str(clause.condition) for clause in terms.when.each)
        yield f"- {task.title} ({task.action.risk})" + (f" when {when}" if when else "")
        for turn in task.turns:
            if is_speech(turn.options):
                yield "    says or asks something; no step is taken"
            for step in task.plan(turn, self.host):
                yield f"    {'(no_log)' if terms.no_log else step}"
                if not terms.no_log:
                    yield from self._look(step)
            undo = list(task.action.undo(turn.options, self.host))
            for step in undo:
                yield f"    undo: {'(no_log)' if terms.no_log else step}"
            if not undo and task.action.risk is not Risk.READ_ONLY:
                yield "    undo: none"

    def _look(self, step: Step) -> Iterator[str]:
        result = self.hand.carry_out(step, _nobody, RUN, check=True)
        said = _said(result)
        if not result.ok:
            self.failed += 1
            yield f"      would be refused: {said}"
        elif said and said != f"would {step}":
            yield f"      {said}"


def _said(result: Result) -> str:
    """Return what a look brought, on one line."""
    text = " ".join((result.diff or result.output or result.reason).split())
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."


def _nobody() -> str:
    return ""
