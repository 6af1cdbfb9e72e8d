"""A healer that is killed at any one point of its journal, and what its next lives make of that.

Each write of the journal has three points: before it begins, before its commit, and after it. A life is a
process of its own, ended by SIGKILL; every program that a step runs writes its name into a ledger, so that
what was really done is known whatever the journal says. Time is an argument, so nothing is waited for.

Run by hand: ``python -m tests.remediations.mortal``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from model.outcome import Outcome
from remediations.hand import Hand
from remediations.healer import Healer
from remediations.running.audit import first_break
from remediations.running.journal import Journal
from remediations.running.recovery import UNKNOWN_END
from remediations.running.run import Stage
from remediations.surroundings import Surroundings
from remediations.writing.playbook import Playbook
from tests.remediations import stage

LIFE_MS: Final = 60_000
TURN_MS: Final = 100
LIVES_S: Final = 50.0
WAIT_S: Final = 0.05

STEPS: Final = """\
- collect: [memory]
- drain: {{command: {{drain: [{ledger}, out], ready: [{ledger}, in]}}}}
- command: {{argv: [{ledger}, '{{{{ item }}}}']}}
  loop: [x, y]
- block:
  - file: {{path: {folder}/app.conf, content: "new"}}
  - command: {{argv: [{flaky}]}}
    retries: 2
    delay: 0s
  - drain: {{command: {{drain: [{ledger}, out-secret], ready: [{ledger}, in-secret]}}}}
    no_log: true
  - command: {{argv: [{bad}]}}
  rescue:
  - command: {{argv: [{ledger}, mend]}}
  always:
  - command: {{argv: [{ledger}, last]}}
- escalate: {{reason: 'Somebody should look at {{{{ labels.service }}}}.'}}
"""
PROGRAMS: Final = {
    "ledger": 'echo "$1" >>{folder}/did',
    "flaky": "echo flaky >>{folder}/did; [ $(grep -c flaky {folder}/did) -ge 2 ]",
    "bad": "echo bad >>{folder}/did; exit 1",
}
WHOLE: Final = ("out", "x", "y", "flaky", "flaky", "out-secret", "bad", "mend", "last")
"""What is done where nobody is killed, in its order."""
UNDONE: Final = {"out": "in", "out-secret": "in-secret"}


class Mortal(Journal):
    """A journal that kills its process at one of its points; 0 at none."""

    def __init__(self, file: Path, ends_at: int) -> None:
        self.points, self._ends_at = 0, ends_at
        super().__init__(file)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._point()
        with super()._transaction():
            yield
            self._point()
        self._point()

    def _point(self) -> None:
        self.points += 1
        if self.points == self._ends_at:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class End:
    """How it ended: what people are told, what was really done, and what the journal says of it."""

    status: str
    reason: str
    escalate: bool
    points: int
    did: tuple[str, ...]
    content: str
    journal: tuple[tuple[str, bool], ...]
    runs: tuple[tuple[str, str], ...]
    broken: str


def prepare(folder: Path) -> Playbook:
    """Write the programs and a file that is to be changed, and return the playbook."""
    (folder / "app.conf").write_text("old")
    (folder / "did").write_text("")
    for name, text in PROGRAMS.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text.format(folder=folder)}\n")
        path.chmod(0o755)
    paths = {name: folder / name for name in PROGRAMS}
    return stage.playbook(STEPS.format(folder=folder, **paths), verify="{within: 5s, hold: 1s}")


def live(folder: Path, book: Playbook, number: int, ends_at: int, *, gone: bool) -> int:
    """Live one life, to its end or until everything is settled; return how many points it had."""
    now = [stage.NOW_MS + number * LIFE_MS]
    woken = threading.Event()
    with (
        closing(Mortal(folder / "runs.db", ends_at)) as journal,
        closing(Hand(time.monotonic, lambda: now[0], folder / "undo")) as hand,
    ):
        around = Surroundings(
            judge_effect=lambda *_: gone,
            ask_fresh=lambda *_: None,
            on_change=lambda: None,
            wake=woken.set,
            stopped=lambda: "",
            now=lambda: now[0],
            host=stage.BARE,
        )
        healer = Healer((book,), journal, hand, around)
        healer.recover(now[0])
        healer.consider(stage.alert(), now[0])
        end_s = time.monotonic() + LIVES_S
        while not _settled(healer, journal):
            assert time.monotonic() < end_s, f"never settled: {healer.remedy(stage.LABELS)}"
            if woken.wait(WAIT_S if _busy(journal) else 0):
                woken.clear()
            now[0] += TURN_MS
            healer.tick(now[0])
        remedy = healer.remedy(stage.LABELS)
        told = {"status": str(remedy.status), "reason": remedy.reason, "escalate": remedy.escalate}
        (folder / "told").write_text(json.dumps(told))
        healer.close()
        return journal.points


def _busy(journal: Journal) -> bool:
    return any(run.stage in (Stage.ACTING, Stage.UNDOING) for run in journal.unfinished())


def _settled(healer: Healer, journal: Journal) -> bool:
    ended = healer.remedy(stage.LABELS).status in (Outcome.FIXED, Outcome.INEFFECTIVE, Outcome.FAILED)
    return ended and not journal.unfinished()


def lives(folder: Path, *ends_at: int, gone: bool) -> End:
    """Live once for each of these points, then to the end, and return how everything stands."""
    book = prepare(folder)
    for number, point in enumerate((*ends_at, 0)):
        status = _in_a_process(partial(_live, folder, book, number, point, gone=gone))
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
        else:
            assert os.WEXITSTATUS(status) == 0, "a life ended by a bug"
    with closing(Journal(folder / "runs.db")) as journal:
        runs = journal.recent(0)
        steps = [one for run in runs for one in journal.steps(run.id)]
        return End(
            **json.loads((folder / "told").read_text()),
            points=int((folder / "points").read_text()),
            did=tuple((folder / "did").read_text().split()),
            content=(folder / "app.conf").read_text(),
            journal=tuple((one.step, one.result is not None) for one in steps),
            runs=tuple((run.stage.value, str(run.outcome)) for run in runs),
            broken=first_break(journal.audit()),
        )


def _live(folder: Path, book: Playbook, number: int, ends_at: int, *, gone: bool) -> None:
    points = live(folder, book, number, ends_at, gone=gone)
    (folder / "points").write_text(str(points))


def _in_a_process(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        work()
        code = 0
    finally:  # whatever it was, what stands above in the stack is the other process's
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def faults(end: End, *, gone: bool) -> list[str]:
    """Return in words what is wrong with how it ended; nothing where all is as it must be."""
    found = [f"the chain is broken: {end.broken}"] if end.broken else []
    *before, (stage_, outcome) = end.runs
    if stage_ != "closed" or any(one != ("closed", "skipped") for one in before):
        found.append(f"the runs are {end.runs}")
    if outcome not in (("fixed",) if gone else ("ineffective", "failed")) or end.escalate == gone:
        found.append(f"the last run ended as {outcome}, somebody is called: {end.escalate}")
    did = Counter(end.did)
    for word, times in did.items():
        if times > Counter((*WHOLE, *UNDONE.values()))[word]:
            found.append(f"{word} was done {times} times")
    meant = [known for step, known in end.journal if "run " in step or "(no_log)" in step]
    if not sum(meant) <= len(end.did) <= len(meant):
        found.append(f"{len(end.did)} programs ran, {len(meant)} were meant, {sum(meant)} are known")
    return [*found, *(_kept(end) if gone else _not_undone(end, did))]


def _kept(end: End) -> list[str]:
    """A run that helped is not undone."""
    back = [word for word in end.did if word in UNDONE.values()]
    return [f"{back} was undone though it helped"] if back else []


def _not_undone(end: End, did: Counter[str]) -> list[str]:
    """What did not help is undone, or named."""
    found = []
    for word, back in UNDONE.items():
        named = f"ledger {back} (" in end.reason or ("secret" in back and "undo: (no_log) (" in end.reason)
        if did[word] and not did[back] and not named:
            found.append(f"{word} was not undone, and nobody is told")
    if end.content != "old" and "app.conf" not in end.reason:
        found.append("the file was not undone, and nobody is told")
    return found


def plain(*, gone: bool) -> End:
    """Return how it ends where nobody is killed."""
    with tempfile.TemporaryDirectory(prefix="mortal-") as folder:
        return lives(Path(folder), gone=gone)


def killed(*points: int, gone: bool) -> tuple[End, list[str]]:
    """Return how it ends after kills at these points, one in each life, and what is wrong with that."""
    with tempfile.TemporaryDirectory(prefix="mortal-") as folder:
        end = lives(Path(folder), *points, gone=gone)
        return end, faults(end, gone=gone)


def every_point(*, gone: bool) -> Iterator[tuple[int, ...]]:
    """Yield each point of a life."""
    yield from ((point,) for point in range(1, plain(gone=gone).points + 1))


def pairs(count: int, seed: int, *, gone: bool) -> Iterator[tuple[int, ...]]:
    """Yield pairs of points, drawn by a seed; a second one beyond the end of its life kills nobody."""
    drawn, points = random.Random(seed), plain(gone=gone).points
    for _ in range(count):
        yield drawn.randint(1, points), drawn.randint(1, points)


def main() -> int:
    """Kill at every point once, then twice at pairs of them; print what is wrong, and how it all ended."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong = 0
    for gone in (False, True):
        outcomes: Counter[str] = Counter()
        for points in (*every_point(gone=gone), *pairs(options.pairs, options.seed, gone=gone)):
            end, found = killed(*points, gone=gone)
            doubted = " in doubt" if UNKNOWN_END in end.reason else ""
            outcomes[f"{len(points)} kills, {len(end.runs)} runs: {end.status}{doubted}"] += 1
            wrong += len(found)
            for one in found:
                print(f"helped={gone}, killed at {points}: {one}\n  {end}")
        print(
            f"helped={gone}:", *(f"  {count} of {told}" for told, count in sorted(outcomes.items())), sep="\n"
        )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
