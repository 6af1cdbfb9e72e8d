"""How long a backtest takes: a fortnight of a host with 1,265 series, 15 seconds apart, under 100 rules."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from bench.host_series import SERIES, rule_file, write_log
from rules.backtest import Recording, Replay, Span, run
from rules.file import load_rules
from rules.store.log import segments

HOUR_MS = 3_600_000
LOOK_BACK_MS = 6 * HOUR_MS


def main() -> int:
    """Write the samples, replay them, and print the time and the memory that it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.backtest", description=__doc__)
    parser.add_argument("--days", type=float, default=14, help="how many days to judge (default 14)")
    parser.add_argument("--thorough", action="store_true", help="judge at every slot, to compare")
    options = parser.parse_args()
    rules = load_rules(rule_file().encode(), "rules.yml")
    until_ms = 1_800_000_000_000
    span = Span(until_ms - round(options.days * 24 * HOUR_MS), until_ms)
    with tempfile.TemporaryDirectory(prefix="beforehand-bench-") as name:
        write_log(Path(name), span.first_ms - LOOK_BACK_MS, until_ms)
        sys.stdout.write(
            f"{sum(file.stat().st_size for file in Path(name).iterdir()) >> 20} MiB of samples\n"
        )
        began_s, used_s = time.monotonic(), time.process_time()
        replay = Replay([rules], 15_000, thorough=options.thorough)
        wanted = replay.metrics | {"up"}
        pages = Recording(wanted.__contains__).pages(segments(Path(name)), *span.since(LOOK_BACK_MS))
        run([replay], pages, span, lambda _: None)
        took_s, worked_s = time.monotonic() - began_s, time.process_time() - used_s
    results = replay.results()
    count = sum(len(group.rules.each) for group in rules.groups)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(
        f"{options.days:g} days, {SERIES} series, {count} rules: {took_s:.1f} s, {worked_s:.1f} s CPU, "
        f"{memory_mb} MiB; {sum(len(one.episodes) for one in results)} episodes, "
        f"{sum(one.judged for one in results)} evaluations\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
