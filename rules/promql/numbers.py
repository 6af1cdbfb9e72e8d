"""Numbers as Go computes them, where Python would raise instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import gt, mul, ne

NAN = math.nan
INF = math.inf


def divided(left: float, right: float) -> float:
    """Divide by IEEE 754: by zero gives an infinity, or NaN for 0/0."""
    if right:
        return left / right
    if not left or math.isnan(left):
        return NAN
    return math.copysign(INF, left) * math.copysign(1, right)


def remainder(left: float, right: float) -> float:
    """Return Go's ``math.Mod``, whose result has the sign of the left side."""
    if not right or math.isinf(left):
        return NAN
    return math.fmod(left, right)


def power(left: float, right: float) -> float:
    """Return Go's ``math.Pow``."""
    try:
        return math.pow(left, right)
    except OverflowError:
        return -INF if left < 0 and right % 2 == 1 else INF
    except ValueError:
        if left:
            return NAN
        # Zero to a negative power.
        return math.copysign(INF, left) if right % 2 == 1 else INF


def total(values: Sequence[float]) -> float:
    """Return the exactly rounded sum; infinities add up as IEEE 754 says."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, also where the sum would overflow."""
    count = len(values)
    try:
        return math.fsum(values) / count
    except OverflowError:
        return total([value / count for value in values])
    except ValueError:
        return sum(values)


def variance(values: Sequence[float]) -> float:
    """Return the population variance in two passes, exactly 0 for equal values."""
    first = values[0]
    apart = [value - first for value in values]
    middle = mean(apart)
    if not math.isfinite(middle):
        return NAN
    return mean([(each - middle) * (each - middle) for each in apart])


def least(values: Sequence[float]) -> float:
    """Return the smallest value; NaN counts only where there is nothing else."""
    known = without_nan(values)
    return min(known) if known else NAN


def greatest(values: Sequence[float]) -> float:
    """Return the largest value; NaN counts only where there is nothing else."""
    known = without_nan(values)
    return max(known) if known else NAN


def without_nan(values: Sequence[float]) -> Sequence[float]:
    """Return the values that are numbers; the usual case costs one pass at C speed."""
    if not math.isnan(sum(values)):
        return values
    return [value for value in values if not math.isnan(value)]


def quantile(share: float, values: Sequence[float]) -> float:
    """Return the value that this share of the values is at most, interpolated; NaN sorts first."""
    known = without_nan(values)
    ordered = [NAN] * (len(values) - len(known)) + sorted(known)
    if not ordered or math.isnan(share):
        return NAN
    if share < 0:
        return -INF
    if share > 1:
        return INF
    rank = share * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(lower + 1, len(ordered) - 1)
    weight = rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def before_falls(values: Sequence[float]) -> Sequence[float]:
    """Return the value before each fall from one to the next: what a counter lost when it was reset."""
    if not any(map(gt, values, values[1:])):
        return ()
    return [before for before, after in pairwise(values) if after < before]


def changes(values: Sequence[float]) -> int:
    """Count where a value differs from the one before it; NaN does not differ from NaN."""
    count = sum(1 for _ in filter(None, map(ne, values, values[1:])))
    if count and math.isnan(sum(values)):
        count -= sum(math.isnan(before) and math.isnan(after) for before, after in pairwise(values))
    return count


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line through at least two points."""
    first = ys[0]
    if first == ys[-1] and ys.count(first) == len(ys):
        return (NAN, NAN) if math.isinf(first) else (0.0, first)
    return fitted(len(xs), total(xs), squares(xs), total(ys), total(list(map(mul, xs, ys))))


def squares(values: Sequence[float]) -> float:
    """Return the sum of the squares."""
    return total(list(map(mul, values, values)))


def fitted(count: int, sum_x: float, sum_xx: float, sum_y: float, sum_xy: float) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line through points of which these are the sums."""
    slope = divided(sum_xy - sum_x * sum_y / count, sum_xx - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


def lower_of(left: float, right: float) -> float:
    """Return Go's ``math.Min``: minus infinity wins, then NaN, then the smaller."""
    if -INF in (left, right):
        return -INF
    return NAN if math.isnan(left) or math.isnan(right) else min(left, right)


def higher_of(left: float, right: float) -> float:
    """Return Go's ``math.Max``: infinity wins, then NaN, then the larger."""
    if INF in (left, right):
        return INF
    return NAN if math.isnan(left) or math.isnan(right) else max(left, right)


def rounded_down(value: float) -> float:
    """Return the largest whole number that is at most this; infinities and NaN stay."""
    return float(math.floor(value)) if math.isfinite(value) else value


def total_function(function: Callable[[float], float]) -> Callable[[float], float]:
    """Make one of ``math`` answer everywhere: NaN outside its domain, infinity where it grows too large."""

    def answer(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return NAN
        except OverflowError:
            return INF

    return answer
