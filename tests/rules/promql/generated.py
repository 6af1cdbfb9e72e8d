"""Generated series and generated expressions over them, the same for the same seed.

Values are multiples of 1/8, so that sums are exact in any order; what may tie is never ranked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from model.labels import Labels

START_MS: Final = 1_700_000_000_000
STEP_MS: Final = 15_000
ROWS: Final = 480
END_MS: Final = START_MS + ROWS * STEP_MS

T = TypeVar("T")

Series = tuple[Labels, list[tuple[int, float]]]

_JOBS: Final = ("api", "web", "db")
_INSTANCES: Final = ("a:1", "b:1", "c:1")
COUNTER: Final = "requests_total"
BUCKET: Final = "wait_bucket"
DISTINCT: Final = "temp"


def series(seed: int) -> Iterator[Series]:
    """Yield two hours of series: counters that are reset, gauges, buckets, gaps, and odd numbers."""
    chance = Random(seed)
    for job in _JOBS:
        for number, instance in enumerate(_INSTANCES):
            target = {"job": job, "instance": instance}
            for code in ("200", "404", "500"):
                yield _named(COUNTER, target, code=code), _with_gaps(chance, _counter(chance))
            yield _named("flag", target), _rows(lambda _: float(chance.random() < 0.7))
            yield _named("build_info", target, version=f"1.{number}"), _rows(lambda _: 1.0)
            yield (
                _named(DISTINCT, target),
                _with_gaps(chance, _distinct(chance, number + 3 * _JOBS.index(job))),
            )
        disk_bytes = chance.randrange(1 << 30, 1 << 40)
        for disk in ("/", "/var", "/home"):
            yield (
                _named("size_bytes", {"job": job}, disk=disk),
                _line(disk_bytes, -4096),
            )
        counts = [chance.randrange(1, 9) for _ in range(4)]
        for index, bound in enumerate(("0.1", "0.5", "2", "+Inf")):
            step = sum(counts[: index + 1])
            yield _named(BUCKET, {"job": job}, le=bound), _line(0, step)
        yield (
            _named("sparse", {"job": job}),
            [(at, value) for at, value in _rows(float) if at % 240_000 < STEP_MS],
        )
    for kind, value in (
        ("nan", math.nan),
        ("inf", math.inf),
        ("low", -math.inf),
        ("zero", 0.0),
        ("minus", -0.0),
    ):
        yield _named("odd", {"kind": kind}), _odd(value)


def _named(name: str, labels: dict[str, str], **more: str) -> Labels:
    return Labels.of({**labels, **more}, __name__=name)


def _rows(value: Callable[[int], float]) -> list[tuple[int, float]]:
    return [(START_MS + row * STEP_MS, value(row)) for row in range(ROWS)]


def _line(first: int, step: int) -> list[tuple[int, float]]:
    return _rows(lambda row: float(first + row * step))


def _odd(value: float) -> list[tuple[int, float]]:
    return _rows(lambda row: value if row % 3 else 1.5)


def _counter(chance: Random) -> list[tuple[int, float]]:
    count, found = float(chance.randrange(100)), []
    for row in range(ROWS):
        count = 0.0 if chance.random() < 0.01 else count + chance.randrange(8)
        found.append((START_MS + row * STEP_MS, count))
    return found


def _distinct(chance: Random, number: int) -> list[tuple[int, float]]:
    """Return a gauge that never equals one of another number, nor the negative of one."""
    return _rows(lambda _: chance.randrange(-200, 200) * 8 + 0.125 + number * 0.25)


def _with_gaps(chance: Random, rows: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Take away the beginning, the end or something between, or nothing."""
    gap = chance.randrange(5)
    start = chance.randrange(ROWS)
    length = chance.randrange(ROWS // 2)
    if gap == 0:
        return rows[start // 2 :]
    if gap == 1:
        return rows[: ROWS // 2 + start // 2]
    if gap == 2:
        return rows[:start] + rows[start + length :]
    return rows


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression, and the moments when it is evaluated."""

    query: str
    start_ms: int
    end_ms: int
    step_ms: int


def asked(seed: int, count: int) -> Iterator[Asked]:
    """Yield so many expressions with their times; some of them are wrong."""
    for number in range(count):
        chance = Random(f"{seed}.{number}")
        grammar = Grammar(chance)
        query = chance.choice((grammar.vector, grammar.vector, grammar.vector, grammar.scalar))(_DEPTH)
        if chance.random() < 0.06:
            query = _broken(chance, query)
        start_ms = START_MS + chance.randrange(ROWS * STEP_MS)
        step_ms = chance.choice((1_000, 7_500, 15_000, 60_000, 300_000))
        steps = chance.randrange(8) if chance.random() < 0.25 else 0
        yield Asked(query, start_ms, start_ms + steps * step_ms, step_ms)


def _broken(chance: Random, query: str) -> str:
    """Take away or double a piece of a text."""
    start = chance.randrange(len(query))
    end = start + chance.randrange(1, 4)
    return query[:start] + query[end:] if chance.random() < 0.5 else query[:end] + query[start:]


_LABELS: Final = ("job", "instance", "code", "disk", "le", "kind", "none")
# No remainder of anything: it makes the last bit of a power, or of a mean, the first bit of the result.
_ARITHMETIC: Final = ("+", "-", "*", "/", "^", "atan2")
_COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_OF_VALUE: Final = (
    *("abs", "ceil", "floor", "round", "sgn", "exp", "ln", "log2", "log10", "sqrt", "deg", "rad", "sort"),
    *("asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("absent", "timestamp", "sort_desc"),
    *("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"),
)
_OF_RANGE: Final = (
    *("rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets"),
    *("avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time"),
    *("last_over_time", "present_over_time", "absent_over_time"),
)
_OF_CHANGE: Final = frozenset(("rate", "increase", "irate", "changes", "resets"))
_AGGREGATIONS: Final = ("sum", "avg", "min", "max", "count", "group")
# Only outermost: each engine adds up in its own way; a rounding or a logarithm makes much of the last bit.
_DEVIATIONS: Final = ("stddev", "stdvar")
_DEVIATIONS_OVER_TIME: Final = ("stddev_over_time", "stdvar_over_time")
_DEPTH: Final = 3
_OUTERMOST: Final = _DEPTH - 1


class Grammar:
    """Writes expressions of the right kinds; ``depth`` is how far they may still nest."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def vector(self, depth: int) -> str:
        """Write an instant vector."""
        if depth <= 0 or self._chance.random() < 0.15:
            return self.selector() + self._shift()
        kinds = (
            *(self._selected, self._of_value, self._labelled, self._rare, self._of_sets),
            *(self._of_range, self._aggregated, self._with_number, self._matched) * 2,
        )
        return self._chance.choice(kinds)(depth - 1)

    def scalar(self, depth: int) -> str:
        """Write a scalar."""
        if depth <= 0 or self._chance.random() < 0.5:
            return self._number()
        kinds: tuple[Callable[[int], str], ...] = (
            lambda d: f"scalar({self.vector(d)})",
            lambda _: self._one_of("time()", "pi()"),
            lambda d: f"({self.scalar(d)} {self._one_of(*_ARITHMETIC)} {self.scalar(d)})",
            lambda d: f"({self.scalar(d)} {self._one_of(*_COMPARISONS)} bool {self.scalar(d)})",
            lambda d: f"-{self.scalar(d)}",
        )
        return self._chance.choice(kinds)(depth - 1)

    def selector(self, *names: str) -> str:
        """Write a selector, of one of these metrics or of any."""
        name = self._one_of(
            *(names or (COUNTER, COUNTER, DISTINCT, "flag", "size_bytes", BUCKET, "sparse", "odd"))
        )
        matchers = [self._matcher() for _ in range(self._one_of(0, 0, 1, 1, 2))]
        if self._chance.random() < 0.05 and not names:
            return "{" + ",".join([f'__name__=~"{name}|flag"', *matchers]) + "}"
        return name + ("{" + ",".join(matchers) + "}" if matchers else "")

    def _one_of(self, *each: T) -> T:
        return self._chance.choice(each)

    def _matcher(self) -> str:
        return self._one_of(
            *(f'job="{self._one_of(*_JOBS)}"', 'job!="api"', 'job=~"a.*|db"', 'instance!~"a.+"'),
            *('code=~"2..|500"', 'code!=""', 'none=""', 'disk=~"/(var|home)?"', 'kind!="nan"'),
            *('instance=~"[ab]:1"', 'code="404"'),
        )

    def _shift(self) -> str:
        if self._chance.random() < 0.8:
            return ""
        return self._one_of(
            " offset 5m", " offset -3m", " offset 37s", f" @ {(START_MS + 1_800_000) // 1000}", " @ start()",
            " @ end()", " @ end() offset 2m", " offset 1m @ start()",
        )  # fmt: skip

    def _number(self) -> str:
        return self._one_of(
            "0", "1", "2", "0.5", "10", "-1", "100", "1e3", "0x1F", "Inf", "NaN", "3.25", "-Inf"
        )

    def _length(self) -> str:
        return self._one_of("1m", "90s", "2m", "5m", "5m", "7m30s", "20m", "1h", "14s", "15s", "16s")

    def range(self, depth: int, *names: str) -> str:
        """Write a range vector."""
        if depth > 0 and self._chance.random() < 0.25:
            step = self._one_of("", "1m", "30s", "47s", "5m")
            return f"({self.vector(depth - 1)})[{self._one_of('5m', '10m', '23m')}:{step}]{self._shift()}"
        return f"{self.selector(*names)}[{self._length()}]{self._shift()}"

    def _grouping(self) -> str:
        labels = ", ".join(self._chance.sample(_LABELS, self._one_of(0, 1, 1, 2)))
        return self._one_of("", f" by ({labels}) ", f" without ({labels}) ")

    def _selected(self, _: int) -> str:
        return self.selector() + self._shift()

    def _of_value(self, depth: int) -> str:
        return f"{self._one_of(*_OF_VALUE)}({self.vector(depth)})"

    def _of_range(self, depth: int) -> str:
        name = self._one_of(*_OF_RANGE, *(_DEVIATIONS_OVER_TIME if depth == _OUTERMOST else ()))
        # What tells a fall from no change would see the last bit of a mean or a deviation fall.
        return f"{name}({self.range(0 if name in _OF_CHANGE else depth)})"

    def _aggregated(self, depth: int) -> str:
        name = self._one_of(*_AGGREGATIONS, *(_DEVIATIONS if depth == _OUTERMOST else ()))
        return f"{name}{self._grouping()}({self.vector(depth)})"

    def _with_number(self, depth: int) -> str:
        sides = [self.vector(depth), self.scalar(depth)]
        self._chance.shuffle(sides)
        operator = self._one_of(*_ARITHMETIC, *_COMPARISONS, *(f"{each} bool" for each in _COMPARISONS))
        return f"({sides[0]} {operator} {sides[1]})"

    def _matched(self, depth: int) -> str:
        operator = self._one_of(*_ARITHMETIC, *_COMPARISONS, *(f"{each} bool" for each in _COMPARISONS))
        labels = ", ".join(self._chance.sample(_LABELS, self._one_of(0, 1, 1, 2, 2)))
        how = self._one_of("", "", f"on({labels})", f"ignoring({labels})")
        if how:
            how += self._one_of(
                "", "", " group_left", " group_right", " group_left(version)", " group_right(disk)"
            )
        if self._chance.random() < 0.5:
            # Sides that do match.
            one = self.selector(COUNTER, DISTINCT) + self._shift()
            return self._one_of(
                f"({one} {operator} on(job, instance) group_left(version) build_info)",
                f"(flag {operator} on(job, instance) group_right {one})",
                f"({one} {operator} ignoring(code) group_left {DISTINCT})",
                f"({one} {operator} {one})",
                f"(sum by (job) ({one}) {operator} avg by (job) ({self.vector(depth - 1)}))",
            )
        return f"({self.vector(depth)} {operator} {how} {self.vector(depth)})"

    def _of_sets(self, depth: int) -> str:
        labels = ", ".join(self._chance.sample(_LABELS, self._one_of(0, 1, 2)))
        how = self._one_of("", "", f"on({labels})", f"ignoring({labels})")
        return f"({self.vector(depth)} {self._one_of('and', 'or', 'unless')} {how} {self.vector(depth)})"

    def _labelled(self, depth: int) -> str:
        inner = self.vector(depth)
        return self._one_of(
            f'label_replace({inner}, "short", "$1-${{2}}", "instance", "(.):(.)")',
            f'label_replace({inner}, "job", "", "", "")',
            f'label_replace({inner}, "x", "$0$$", "code", "(?P<first>.).*")',
            f'label_join({inner}, "both", "/", "job", "none", "instance")',
        )

    def _rare(self, depth: int) -> str:
        kinds: tuple[Callable[[], str], ...] = (
            lambda: (
                f"{self._one_of('topk', 'bottomk')}{self._grouping()}({self._one_of(0, 1, 2, 50)}, "
                f"{self.selector(DISTINCT)})"
            ),
            lambda: f"quantile{self._grouping()}({self.scalar(1)}, {self.vector(depth)})",
            lambda: f"quantile_over_time({self._number()}, {self.range(depth)})",
            lambda: f'count_values{self._grouping()}("times", {self.selector(COUNTER, "flag", "odd")})',
            lambda: f"histogram_quantile({self.scalar(1)}, {self.selector(BUCKET)})",
            lambda: f"histogram_quantile({self.scalar(1)}, sum by (le) (rate({self.selector(BUCKET)}[5m])))",
            lambda: f"predict_linear({self.range(depth)}, {self._number()})",
            lambda: f"holt_winters({self.range(depth)}, 0.3, {self._one_of('0.5', '0.1', '1')})",
            lambda: f"clamp({self.vector(depth)}, {self.scalar(1)}, {self.scalar(1)})",
            lambda: f"clamp_{self._one_of('min', 'max')}({self.vector(depth)}, {self.scalar(1)})",
            lambda: (
                f"({self.selector(COUNTER, 'size_bytes')} % {self._one_of('7', '-3.5', '0', 'Inf', 'NaN')})"
            ),
            lambda: f"{self._one_of('sin', 'cos', 'tan')}({self.selector(COUNTER, 'odd')})",
            lambda: f"{self._one_of(*sorted(_OF_CHANGE))}(sum by (job) ({self.selector('flag')})[10m:1m])",
            lambda: f"round({self.vector(depth)}, {self._one_of('5', '0.1', '0.25')})",
            lambda: f"vector({self.scalar(depth)})",
            lambda: f"-{self.vector(depth)}",
        )
        return self._chance.choice(kinds)()


def openmetrics(made: Sequence[Series]) -> str:
    """Write series in the text format that promtool reads into blocks."""
    lines = [
        f"{name} {_written(value)} {at_ms / 1000}"
        for labels, points in made
        for name in (str(labels).replace('", ', '",'),)
        for at_ms, value in points
    ]
    return "\n".join([*lines, "# EOF", ""])


def _written(value: float) -> str:
    return repr(value).replace("inf", "Inf").replace("nan", "NaN")
