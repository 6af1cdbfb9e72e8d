"""Generated expressions through Debian's Prometheus and through ours, side by side.

``python -m tests.rules.promql.differential --count 20000`` prints every difference and how many there were.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from model.labels import Labels
from model.misfit import Misfit
from rules.promql import QueryError, compile_query
from rules.store.store import Store
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK, Port
from tests.rules.promql.generated import Asked, Series, asked, openmetrics, series

RELATIVE_ERROR: Final = 1e-9
READY_S: Final = 30.0

# Prometheus takes numbers for durations, and durations for numbers, since 2.54.
NEWER_GRAMMAR: Final = (
    "expected duration",
    "missing unit character in duration",
    'unexpected duration "3m"',
    'unexpected duration "37s"',
)

Result = dict[Labels, list[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Refused:
    """No result, and why."""

    why: str


class Prometheus:
    """A server that answers queries; one connection, used by one thread."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            self._connection.request("GET", "/-/ready")
            reply = self._connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return reply.status == 200

    def ask(self, question: Asked) -> Result | Refused:
        """Return what the server makes of an expression."""
        times = {"start": question.start_ms, "end": question.end_ms, "step": question.step_ms}
        form = {"query": question.query, **{name: f"{ms / 1000:.3f}" for name, ms in times.items()}}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/api/v1/query_range", urlencode(form), headers)
        answer = json.loads(self._connection.getresponse().read())
        if answer["status"] != "success":
            return Refused(answer["error"])
        return {
            Labels.of(each["metric"]): [(round(at * 1000), float(value)) for at, value in each["values"]]
            for each in answer["data"]["result"]
        }

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@contextmanager
def serving(made: list[Series]) -> Iterator[Prometheus]:
    """Run Debian's Prometheus over these series on a free port of loopback."""
    with tempfile.TemporaryDirectory(prefix="beforehand-differential-") as name:
        folder = Path(name)
        (folder / "series.txt").write_text(openmetrics(made))
        (folder / "prometheus.yml").write_text("global: {}\n")
        blocks = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "series.txt", "data")
        subprocess.run(blocks, cwd=folder, check=True, capture_output=True)
        port = Port.free()
        argv = (
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={port}",
            "--log.level=error",
        )
        port.close()
        server = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        prometheus = Prometheus(port=int(argv[4].rpartition(":")[2]))
        try:
            until(prometheus.ready, READY_S, "Prometheus is ready")
            yield prometheus
        finally:
            prometheus.close()
            server.terminate()
            server.wait(30)


def stored(made: list[Series]) -> Store:
    """Return a store of ours with these series."""
    store = Store(retention_ms=1 << 60, series_max=10_000)
    for labels, points in made:
        for at_ms, value in points:
            store.append(labels, at_ms, value)
    return store


def ours(store: Store, question: Asked) -> Result | Refused:
    """Return what our engine makes of an expression, with every short cut and without any."""
    try:
        query = compile_query(question.query, compat="prometheus2")
        if query.kind not in ("scalar", "vector"):
            return Refused(f"a {query.kind}")
        times = (question.start_ms, question.end_ms, question.step_ms)
        plain = query.between(store, *times, plain=True)
        if differs := difference(plain, query.between(store, *times)):
            return Refused(f"the short cuts lead elsewhere: {differs}")
    except Misfit as wrong:
        return Refused(wrong.sentence)
    except QueryError as wrong:
        return Refused(str(wrong))
    return plain


def difference(theirs: Result | Refused, mine: Result | Refused) -> str:
    """Return how two answers differ, or an empty text."""
    if isinstance(theirs, Refused) or isinstance(mine, Refused):
        if isinstance(theirs, Refused) and isinstance(mine, Refused):
            return ""
        if isinstance(theirs, Refused):
            return f"only Prometheus refuses: {theirs.why}"
        assert isinstance(mine, Refused), "one of the two refuses"
        return f"only we refuse: {mine.why}"
    if theirs.keys() != mine.keys():
        missing, more = theirs.keys() - mine.keys(), mine.keys() - theirs.keys()
        return f"we miss {sorted(map(str, missing))}, we alone have {sorted(map(str, more))}"
    for labels, points in theirs.items():
        own = mine[labels]
        if [at_ms for at_ms, _ in points] != [at_ms for at_ms, _ in own]:
            return f"{labels}: {points} against our {own}"
        for (at_ms, wanted), (_, value) in zip(points, own, strict=True):
            if not nearly(wanted, value):
                return f"{labels} at {at_ms}: {wanted!r} against our {value!r}"
    return ""


def nearly(left: float, right: float) -> bool:
    """Tell whether two values are equal to one part in a thousand million, or both are no number."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or math.isclose(left, right, rel_tol=RELATIVE_ERROR, abs_tol=RELATIVE_ERROR)


def differences(
    prometheus: Prometheus, store: Store, seed: int, count: int
) -> Iterator[tuple[Asked, str, str]]:
    """Ask both; yield each question with what kind of answer it had and how the two differ.

    A rule is evaluated at one moment. Prometheus itself answers some ranges otherwise than their moments one
    by one: it refuses label sets that are never there at the same time, and it shifts a subquery with ``@``.
    Where a range differs, its moments decide.
    """
    for question in asked(seed, count):
        theirs = prometheus.ask(question)
        kind = "refused" if isinstance(theirs, Refused) else "value" if theirs else "empty"
        differs = difference(theirs, ours(store, question))
        if isinstance(theirs, Refused) and theirs.why.endswith(NEWER_GRAMMAR):
            kind, differs = "of newer grammar", ""
        if differs and question.end_ms > question.start_ms and "@ start()" not in question.query:
            moments = [
                replace(question, start_ms=at_ms, end_ms=at_ms)
                for at_ms in range(question.start_ms, question.end_ms + 1, question.step_ms)
            ]
            answers = (difference(prometheus.ask(each), ours(store, each)) for each in moments)
            kind, differs = "range unlike its moments", next(filter(None, answers), "")
        yield question, kind, differs


def main() -> int:
    """Print what differs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    made = list(series(options.seed))
    kinds: Counter[str] = Counter()
    wrong = 0
    with serving(made) as prometheus:
        store = stored(made)
        for question, kind, differs in differences(prometheus, store, options.seed, options.count):
            kinds[kind] += 1
            if differs:
                wrong += 1
                print(
                    f"{question.query}\n    at {question.start_ms} to {question.end_ms}: {differs}",
                    flush=True,
                )
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{options.count} expressions ({told}), {wrong} differences, seed {options.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
