"""Measure what checks over the network cost, ours beside others': ``python -m bench.checks``.

Every system checks the same nginx on this machine, one after the other, each kept on one core and nginx on
another. CPU is that of all its processes, divided by the checks that nginx really saw.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import machine
from bench.checks import target
from bench.checks.beforehand import BEFOREHAND
from bench.checks.cost import Figures, Kind, measure
from bench.checks.icinga import ICINGA
from bench.checks.monit import MONIT
from bench.checks.nagios import NAGIOS
from bench.checks.plan import Plan, System, running
from bench.checks.prometheus import PROMETHEUS
from bench.checks.report import EVERY_S, Costs, table
from bench.checks.target import Target
from tests.e2e.patience import pause
from tests.e2e.servers import program

SYSTEMS: Final = (BEFOREHAND, MONIT, PROMETHEUS, ICINGA, NAGIOS)
SIZES: Final = (100, 500, 2000)
WARM_UP_S: Final = 12.0
FLOOD_S: Final = 8.0
_KINDS: Final[tuple[Kind, ...]] = ("http", "tcp")


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    sizes = {kind: SIZES if options.full or kind == "http" else (500,) for kind in _KINDS}
    if options.quick:
        sizes = dict.fromkeys(_KINDS, (500,))
    window_s = 10.0 if options.quick else 20.0
    cores = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)
    with tempfile.TemporaryDirectory(prefix="beforehand-checks-") as name:
        folder = Path(name)
        with target.running(folder / "nginx", cores[1]) as nginx:
            found = [
                _measured(system, nginx, folder / str(number), sizes, window_s, cores[0])
                for number, system in enumerate(SYSTEMS)
                if all(map(program, system.needs))
                and (not options.only or options.only in system.name.lower())
            ]
    print(table(found, machine.line()))
    if options.json:
        options.json.write_text(json.dumps([_plain(costs) for costs in found], indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.checks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one size only, and shorter")
    parser.add_argument("--full", action="store_true", help="TCP checks in every size too")
    parser.add_argument("--only", default="", help="only systems with this in their name")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def _measured(
    system: System,
    nginx: Target,
    folder: Path,
    sizes: Mapping[Kind, tuple[int, ...]],
    window_s: float,
    core: int | None,
) -> Costs:
    costs = Costs(system.name)
    for kind in _KINDS:
        for size in sizes[kind]:
            if size <= system.most:
                plan = Plan(folder / f"{kind}{size}", nginx, kind, size, EVERY_S)
                costs.steady[kind, size] = _figures(system, plan, WARM_UP_S, window_s, core)
        flood = Plan(folder / f"{kind}-flood", nginx, kind, system.flood, 1)
        costs.flood[kind] = _figures(system, flood, FLOOD_S, FLOOD_S, core)
    return costs


def _figures(system: System, plan: Plan, warm_up_s: float, window_s: float, core: int | None) -> Figures:
    with running(system, plan, core) as pids:
        pause(warm_up_s)
        figures = measure(pids, plan.target, plan.kind, plan.count / plan.every_s, window_s)
    line = (
        f"{system.name}: {plan.count} {plan.kind} every {plan.every_s} s: {figures.per_second:.0f}/s seen, "
    )
    line += f"{figures.cpu_ms:.3f} CPU ms for each, {figures.pss_mb:.1f} MB PSS, {figures.rss_mb:.1f} MB RSS"
    print(line, file=sys.stderr, flush=True)
    return figures


def _plain(costs: Costs) -> dict[str, object]:
    steady = [{"kind": kind, "size": size, **asdict(f)} for (kind, size), f in costs.steady.items()]
    flood = [{"kind": kind, **asdict(f)} for kind, f in costs.flood.items()]
    return {"system": costs.name, "steady": steady, "flood": flood}


if __name__ == "__main__":
    sys.exit(main())
