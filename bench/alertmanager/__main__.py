"""Measure the desk beside Debian's Alertmanager: ``python -m bench.alertmanager``.

What a kill loses or doubles, what it costs to take an alert, and how a storm goes by. Each server is kept
on one core and the client on another.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.alertmanager import loss, report, speed, storm
from bench.alertmanager.loss import ALERTS, SILENCES, Loss
from bench.alertmanager.speed import Speed
from bench.alertmanager.storm import NOWHERE, PEOPLE, SERVICES, Storm
from bench.alertmanager.systems import System, alertmanager, beforehand, running
from tests.e2e.ports import Port
from tests.e2e.post_office import PostOffice

_PARTS: Final = ("loss", "speed", "storm")


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="beforehand-alerts-") as name:
        folder = Path(name)
        if options.only in ("", "loss"):
            rows = losses(folder)
            print(report.lost(rows, SILENCES, ALERTS), flush=True)
            found["loss"] = [asdict(one) for one in rows]
        if options.only in ("", "speed"):
            costs = speeds(folder, {1: 3_000, 100: 30_000, 1_000: 60_000}, 4 if options.quick else 1)
            print(report.speeds(costs), flush=True)
            found["speed"] = {system: [asdict(one) for one in each] for system, each in costs.items()}
        if options.only in ("", "storm"):
            gales = storms(folder, 10_000 if options.quick else 100_000, 6 if options.quick else 60)
            print(report.storms(gales), flush=True)
            found["storm"] = [asdict(one) for one in gales]
    print(machine.line())
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.alertmanager", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer alerts, and a tenth of the storm")
    parser.add_argument("--only", choices=_PARTS, default="", help="only this part")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


@contextmanager
def _up(
    folder: Path, make: Any, core: int | None, wait_s: float | None = None
) -> Iterator[tuple[System, PostOffice]]:
    """Run a system with a mail server of its own."""
    with ExitStack() as ends:
        mail = Port.free()
        ends.callback(mail.close)
        post = ends.enter_context(PostOffice(mail))
        system = ends.enter_context(running(make(folder, mail.number, core, ends)))
        system.wait_s = system.wait_s if wait_s is None else wait_s
        yield system, post


def losses(
    folder: Path, silences: int = SILENCES, alerts: int = ALERTS, nodes: int = 3, wait_s: float | None = None
) -> list[Loss]:
    """Kill ours, a single Alertmanager, one node of a cluster, and a whole cluster."""
    rows: list[Loss] = []
    plans = [(beforehand(2 * alerts), True), (alertmanager(1), True)]
    if nodes > 1:
        plans += [(alertmanager(nodes), False), (alertmanager(nodes), True)]
    for number, (make, all_nodes) in enumerate(plans):
        with _up(folder / f"loss{number}", make, None, wait_s) as (system, post):
            rows.append(loss.measure(system, post, all_nodes=all_nodes, silences=silences, alerts=alerts))
    return rows


def speeds(folder: Path, count_of: dict[int, int], fraction: int) -> dict[str, list[Speed]]:
    """Measure ours and a single Alertmanager, one after the other."""
    counts = {size: max(size, count // fraction) for size, count in count_of.items()}
    core = 0 if (os.cpu_count() or 1) > 1 else None
    found: dict[str, list[Speed]] = {}
    for number, make in enumerate((beforehand(1), alertmanager(1))):
        with _up(folder / f"speed{number}", make, core) as (system, _):
            found[system.name] = speed.measure(system.first, counts)
    return found


def storms(
    folder: Path,
    alerts: int,
    storm_s: float,
    flaps: int = 50,
    flap_s: float = 30.0,
    wait_s: float | None = None,
    spreads: Sequence[int] = (SERVICES, 1, NOWHERE),
) -> list[Storm]:
    """Blow over ours, whose services have people, in each shape, and over a single Alertmanager."""
    rows: list[Storm] = []
    plans = [(beforehand(SERVICES + 1, PEOPLE), spread) for spread in spreads]
    for number, (make, spread) in enumerate((*plans, (alertmanager(1), SERVICES))):
        with _up(folder / f"storm{number}", make, None, wait_s) as (system, post):
            rows.append(storm.measure(system, post, alerts, storm_s, flaps, flap_s, spread))
    return rows


if __name__ == "__main__":
    sys.exit(main())
