"""Measure who is told first: ``python -m bench.told_first [--seed N] [--episodes N] [--people N]``."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import machine
from bench.told_first import crowd, recount
from bench.told_first.episode import KINDS
from bench.told_first.report import row, rows, table
from bench.told_first.simulation import simulate
from tests.e2e.servers import program


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    print(machine.line(), flush=True)
    kept: dict[str, object] = {"seed": options.seed}
    with tempfile.TemporaryDirectory(prefix="beforehand-told-first-", dir=_quick()) as name:
        found = simulate(options.seed, options.episodes, Path(name))
    print(f"\n{options.episodes} episodes, seed {options.seed}\n\n{table(found)}\n")
    ledger, again = found.figures().proactive_people, recount.told_first(found)
    assert ledger == again, f"the ledger says {ledger}, counting again {again}"
    kept["episodes"] = {impact: row(found, impact) for impact in ("", *(one.impact for one in KINDS))}
    for said in rows(found):
        print(said)
    if options.people and program("smtp-sink"):
        with tempfile.TemporaryDirectory(prefix="beforehand-told-first-") as name:
            waits = crowd.measure(options.people, Path(name))
        kept["desk"] = asdict(waits)
        kept["desk_5_s"] = waits.p99_ms <= 5_000
        print(
            f"\nA real desk, {waits.people} people, a mail server that keeps nothing: from firing to taken "
            f"{waits.p50_ms / 1000:.2f} s (p50), {waits.p90_ms / 1000:.2f} s (p90), "
            f"{waits.p99_ms / 1000:.2f} s (p99); the alert was answered after {waits.answered_ms} ms"
        )
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2))
    return 0


def _quick() -> str | None:
    """Return a folder in memory, where there is one: nothing of a simulation must last."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench.told_first", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--people", type=int, default=10_000, help="of the real desk; 0 leaves it out")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
