"""Measure Beforehand beside Monit on this machine, in one run, and print both and their ratios."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import machine, monit, ours, report
from bench.observer import adopt_orphans
from bench.report import Results
from bench.rest import Cost, at_rest
from bench.round import Round
from tests.e2e.patience import pause
from tests.e2e.ports import Port
from tests.e2e.post_office import PostOffice

SLOW_POLL_S = 0.05  # beside a cycle of 120 s this is exact enough, and ten of them cost little


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    adopt_orphans()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="beforehand-bench-") as name, ExitStack() as ends:
        folder = Path(name)
        mail = Port.free()
        ends.callback(mail.close)
        post = ends.enter_context(PostOffice(mail))
        mine, theirs = _in_turn(folder / "turns", post, options.rounds, chance)
        results = Results(machine.line(), machine.versions(), mine, theirs)
        with ThreadPoolExecutor(1) as beside:
            slow = None
            if not options.quick:
                slow = beside.submit(_monit_default, folder / "default", post, options.rounds, chance)
            results.rest = _rest(folder / "rest", post, 15 if options.quick else 60)
            results.monit_default = slow.result() if slow else []
    print(report.table(results))
    if options.json:
        options.json.write_text(json.dumps(asdict(results), indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="kills for each system (default 10)")
    parser.add_argument(
        "--quick", action="store_true", help="three rounds, without Monit at its default cycle, short rest"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round as JSON")
    parser.add_argument("--seed", type=int, default=1, help="of the random phases of the kills")
    options = parser.parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 3)
    if not 1 <= options.rounds <= 100:
        parser.error("--rounds: choose 1 to 100")
    return options


def _in_turn(
    folder: Path, post: PostOffice, rounds: int, chance: random.Random
) -> tuple[list[Round], list[Round]]:
    """Measure Beforehand and Monit at its fastest in turn, so that a busy moment of the machine hits both.

    Beforehand's redis and installation are fresh each time; Monit's redis is killed again and again.
    """
    mine, theirs = [], []
    (folder / "monit").mkdir(parents=True)
    with monit.running(folder / "monit", post, monit.FASTEST_S) as watching:
        for number in range(1, rounds + 1):
            mine.append(ours.measure(folder / str(number), post, chance.uniform(0, 2)))
            _say(f"Beforehand, round {number} of {rounds}: {report.inline(mine[-1])}")
            if number > 1:
                watching.settle()
            pause(chance.uniform(0, monit.FASTEST_S))
            theirs.append(watching.round(post))
            _say(f"Monit every {monit.FASTEST_S} s, round {number} of {rounds}: {report.inline(theirs[-1])}")
    return mine, theirs


def _monit_default(folder: Path, post: PostOffice, rounds: int, chance: random.Random) -> list[Round]:
    """Let as many Monits run side by side as there are rounds; kill each one's redis at a random moment."""
    phases_s = [chance.uniform(0, monit.DEFAULT_S) for _ in range(rounds)]
    with ExitStack() as ends:
        watching = []
        for number in range(rounds):
            own = folder / f"monit{number}"
            own.mkdir(parents=True)
            watching.append(ends.enter_context(monit.running(own, post, monit.DEFAULT_S)))

        def measure(number: int) -> Round:
            pause(2 + phases_s[number])
            found = watching[number].round(post, SLOW_POLL_S)
            _say(f"Monit every {monit.DEFAULT_S} s, round {number + 1}: {report.inline(found)}")
            return found

        with ThreadPoolExecutor(rounds) as threads:
            return list(threads.map(measure, range(rounds)))


def _rest(folder: Path, post: PostOffice, rest_s: float) -> dict[str, Cost]:
    """Measure every daemon while nothing happens, all at the same time."""
    (folder / "monit").mkdir(parents=True)
    with ExitStack() as ends:
        agent = ends.enter_context(ours.resting(folder / "agent"))
        both, _ = ends.enter_context(ours.running(folder / "ours", post))
        watching = ends.enter_context(monit.running(folder / "monit", post, monit.FASTEST_S))
        pids = {
            "agent, default configuration": agent.pid,
            "desk": both.desk.pid,
            f"Monit, one process every {monit.FASTEST_S} s": watching.process.pid,
        }
        with ThreadPoolExecutor(len(pids)) as threads:
            costs = threads.map(lambda pid: at_rest(pid, rest_s=rest_s), pids.values())
            return dict(zip(pids, costs, strict=True))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
