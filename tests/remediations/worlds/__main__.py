"""Live through many simulated days: ``python -m tests.remediations.worlds --count 10000 --seed 1``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.remediations.worlds.figures import measured, table


def main() -> int:
    """Print the figures; exit code 1 where something did not hold, or too many worlds were harmed."""
    parser = argparse.ArgumentParser("worlds")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--lax", action="store_true", help="with every guard as wide as it can be written")
    options = parser.parse_args()
    began_s = time.monotonic()
    live = partial(measured, options.seed, lax=options.lax)
    with ProcessPoolExecutor(options.jobs) as pool:
        figures = list(pool.map(live, range(options.count), chunksize=20))
    print(table(figures))
    print(f"{options.count / (time.monotonic() - began_s):.0f} worlds per second on {options.jobs} processes")
    harmed = sum(one.harmed for one in figures)
    return int(harmed > len(figures) / 1000 or any(one.broken for one in figures))


if __name__ == "__main__":
    sys.exit(main())
