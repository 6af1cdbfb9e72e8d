"""Measure how fast notices leave: ``python -m bench.delivery [--people N] [--only sqlite|postgresql]``.

Each measurement has a process of its own. PostgreSQL is a private cluster, whose CPU is counted apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

from bench import machine
from bench.delivery.drain import SENDER, Figures, Plan, measure
from bench.delivery.sink import limit, sink
from desk.delivery.mime import mime
from tests.desk.cluster import cluster
from tests.desk.delivery.test_mime import MESSAGE
from tests.e2e.servers import program

PEOPLE = 1_000_000
MAILED_MAX = 20_000
TRIES = 10_000


def main() -> int:
    """Run what the options ask for; returns the exit code."""
    options = _options()
    print(machine.line(), flush=True)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    found: list[tuple[Plan, Figures]] = []
    with tempfile.TemporaryDirectory(prefix="beforehand-delivery-") as name:
        for plan in plans(options.people, options.only):
            number = len(found)
            folder = Path(name) / str(number)
            folder.mkdir()
            figures = _run(replace(plan, folder=str(folder)), to_mail=False)
            found.append((plan, figures))
            print(row(plan, figures), flush=True)
        if program("smtp-sink") and not options.null:
            _mail(min(options.people, MAILED_MAX), Path(name))
    if options.json:
        options.json.write_text(json.dumps([asdict(plan) | asdict(one) for plan, one in found], indent=2))
    return 0


def plans(people: int, only: str) -> Iterator[Plan]:
    """Yield what is measured without a mail server: each database with one and with two couriers."""
    if only in ("", "sqlite"):
        yield Plan("sqlite", people, couriers=1, desks=1, folder="")
        yield Plan("sqlite", people, couriers=2, desks=1, folder="")
    if only in ("", "postgresql"):
        yield Plan("postgresql", people, couriers=1, desks=1, folder="")
        yield Plan("postgresql", people, couriers=1, desks=2, folder="")


HEADS = (
    "database",
    "people",
    "couriers",
    "first leaves after",
    "all planned after",
    "all written down after",
    "longest wait to write",
    "its end: decided, first leaves, longest wait",
    "notices/s",
    "desk CPU",
    "server CPU",
    "desk memory",
)


def row(plan: Plan, one: Figures) -> str:
    """Return one line of the table."""
    who = f"{plan.couriers}" if plan.desks == 1 else f"{plan.desks}, each in a desk of its own"
    ending = (one.end_decided_s, one.end_first_s, one.end_blocked_s)
    its_end = ", ".join(f"{each_s * 1000:,.0f}" for each_s in ending)
    return (
        f"| {plan.kind} | {plan.people:,} | {who} | {one.first_s * 1000:,.0f} ms | {one.planned_s:.1f} s"
        f" | {one.done_s:.1f} s | {one.blocked_s * 1000:,.0f} ms"
        f" | {its_end} ms | {plan.people / one.done_s:,.0f}"
        f" | {one.cpu_s:.1f} s"
        f" | {one.server_cpu_s:.1f} s | {one.rss_mb:.0f} MB |"
    )


def _run(plan: Plan, *, to_mail: bool) -> Figures:
    alone = ProcessPoolExecutor(1, mp_context=mp.get_context("spawn"))
    with _server(plan) as made, sink() if to_mail else nullcontext(0) as port, alone as pool:
        return pool.submit(measure, replace(made, port=port)).result()


@contextmanager
def _server(plan: Plan) -> Iterator[Plan]:
    """Give a plan its database."""
    if plan.kind == "sqlite":
        yield plan
        return
    with cluster() as server:
        assert server.process is not None, "it was started"
        yield replace(plan, address=server.address(server.schema()), server=server.process.pid)


def _mail(people: int, folder: Path) -> None:
    """Measure with a mail server, whose own limit is what a client reaches that only repeats one mail."""
    data = mime(MESSAGE, SENDER)
    with sink() as port:
        limits = {count: limit(port, count, TRIES, data) for count in (1, 2)}
    for couriers, most in limits.items():
        place = folder / f"mail{couriers}"
        place.mkdir()
        plan = Plan("sqlite", people, couriers, 1, str(place))
        one = _run(plan, to_mail=True)
        rate, each_ms = people / one.done_s, one.cpu_s / people * 1000
        print(f"\nsmtp-sink, couriers: {couriers}: {rate:,.0f} mails/s, {rate / most:.0%} of", end=" ")
        print(
            f"{most:,.0f}/s of a client that only repeats one; {each_ms:.2f} ms of CPU for each", flush=True
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.delivery", description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE, help="how many are affected")
    parser.add_argument("--only", choices=("", "sqlite", "postgresql"), default="", help="one database")
    parser.add_argument("--null", action="store_true", help="leave the mail server out")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
