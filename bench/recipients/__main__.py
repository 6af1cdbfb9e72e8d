"""Tell 1,000 people of forty incidents by evidence and by subscription, and print who was told rightly."""

from __future__ import annotations

import argparse
import random
import sys
import time

from bench import machine
from bench.recipients import report, trial, world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.recipients", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first world")
    parser.add_argument("--worlds", type=int, default=1, help="how many worlds, each of its own seed")
    options = parser.parse_args()
    found: list[trial.Outcome] = []
    begun_s = time.process_time()
    for seed in range(options.seed, options.seed + options.worlds):
        chance = random.Random(seed)
        found += trial.outcomes(world.made(chance), chance)
    print(report.table(found))
    print(f"\nprecision / recall over people; {machine.line()}; {time.process_time() - begun_s:.1f} s of CPU")
    carried = report.Score.of(one for one in found if one.carried and one.way == "evidence")
    good = min(carried.precision or 0, carried.recall or 0) >= 0.99
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
