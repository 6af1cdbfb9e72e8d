"""Break the same nginx and redis in the same ways under three keepers, and print what each made of it."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from agent.drill import apart
from bench import machine
from bench.faults import report, trial
from bench.faults.keepers.beforehand import BEFOREHAND
from bench.faults.keepers.monit import MONIT
from bench.faults.keepers.systemd import SYSTEMD
from bench.faults.kinds import KINDS
from bench.faults.reaper import reaping
from bench.observer import adopt_orphans

KEEPERS = (BEFOREHAND, MONIT, SYSTEMD)
PRIVATE = ("/var/lib/dpkg", "/var/lib/apt/lists", "/var/cache/apt/archives")


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    adopt_orphans()
    chance = random.Random(options.seed)
    trials: list[trial.Trial] = []
    with reaping(), tempfile.TemporaryDirectory(prefix="bf-", dir="/tmp") as name:
        folder = Path(name)
        stand_apart(folder / "private")
        kinds = [kind for kind in KINDS if not options.only or kind.name == options.only]
        for number in range(1, options.rounds + 1):
            for kind in kinds:
                for keeper in KEEPERS:
                    own = folder / f"{number}-{KINDS.index(kind)}-{keeper.name}"
                    found, log = trial.run(kind, keeper, own, chance.uniform(0, 1))
                    trials.append(found)
                    print(f"round {number}: {found}", file=sys.stderr, flush=True)
                    if options.verbose:
                        print(log, file=sys.stderr, flush=True)
    print(report.table(kinds, [keeper.name for keeper in KEEPERS], trials))
    print(f"\n{machine.line()}\nmedian of {options.rounds}")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in trials], indent=2) + "\n")
    return 0


def stand_apart(folder: Path) -> None:
    """Take mounts of one's own, in which no real package manager is at work and one can be played."""
    apart.leave()
    for number, place in enumerate(PRIVATE):
        (folder / str(number)).mkdir(parents=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(folder / str(number)), place], check=True, timeout=10)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that each fault is made (default 5)")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", metavar="FAULT", help="one fault by its name")
    parser.add_argument("--verbose", action="store_true", help="show the keepers' logs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every trial as JSON")
    parser.add_argument("--seed", type=int, default=1, help="of the random phases of the faults")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    if not 1 <= options.rounds <= 50:
        parser.error("--rounds: choose 1 to 50")
    return options


if __name__ == "__main__":
    sys.exit(main())
