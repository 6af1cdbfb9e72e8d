"""Functions of each value of a vector: rounding, logarithms, trigonometry, bounds and the calendar."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from model.labels import EMPTY
from rules.promql.date import Date
from rules.promql.function import Arguments, Function
from rules.promql.moment import Moment, VectorOf
from rules.promql.numbers import INF, NAN, divided, higher_of, lower_of, rounded_down, total_function
from rules.store.store import Row

OfValue = Callable[[float], float]
OfDate = Callable[[Date], int]


def _sign(value: float) -> float:
    return math.copysign(1.0, value) if value and not math.isnan(value) else value


def _logarithm(log: OfValue) -> OfValue:
    """Make a logarithm that is minus infinity at zero, as in Go."""
    answer = total_function(log)
    return lambda value: answer(value) if value else -INF


_EXP: Final = total_function(math.exp)


def _cosh(value: float) -> float:
    # Far out Go halves the exponential, which overflows a little earlier than the hyperbolic cosine does.
    return _EXP(abs(value)) * 0.5 if abs(value) > 21 else math.cosh(value)


def _sinh(value: float) -> float:
    return math.copysign(_cosh(value), value) if abs(value) > 21 else math.sinh(value)


def _atanh(value: float) -> float:
    if abs(value) == 1:
        return math.copysign(INF, value)
    return math.atanh(value) if abs(value) < 1 else NAN


_OF_VALUE: Final[dict[str, OfValue]] = {
    "abs": abs,
    "ceil": lambda value: -rounded_down(-value),
    "floor": rounded_down,
    "exp": _EXP,
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "sqrt": total_function(math.sqrt),
    "sgn": _sign,
    "sin": total_function(math.sin),
    "cos": total_function(math.cos),
    "tan": total_function(math.tan),
    "asin": total_function(math.asin),
    "acos": total_function(math.acos),
    "atan": math.atan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": total_function(math.acosh),
    "atanh": _atanh,
    "deg": math.degrees,
    "rad": math.radians,
}

_OF_DATE: Final[dict[str, OfDate]] = {
    "minute": lambda date: date.second_of_day // 60 % 60,
    "hour": lambda date: date.second_of_day // 3600,
    "day_of_week": lambda date: date.weekday,
    "day_of_month": lambda date: date.day,
    "day_of_year": lambda date: date.day_of_year,
    "days_in_month": lambda date: date.days_in_month,
    "month": lambda date: date.month,
    "year": lambda date: date.year,
}


def _each(of_value: OfValue) -> Callable[[Arguments], VectorOf]:
    def make(arguments: Arguments) -> VectorOf:
        vector = arguments.vector
        return lambda moment: moment.unnamed([(labels, of_value(value)) for labels, value in vector(moment)])

    return make


def _dated(of_date: OfDate) -> Callable[[Arguments], VectorOf]:
    """Make a function of the date in UTC that each value is, in seconds since 1970; without one, of now."""

    def of_value(seconds: float) -> float:
        return float(of_date(Date.of(seconds)))

    def make(arguments: Arguments) -> VectorOf:
        if arguments.vectors:
            return _each(of_value)(arguments)
        return lambda moment: [(EMPTY, of_value(moment.at_ms // 1000))]

    return make


def _round(arguments: Arguments) -> VectorOf:
    """Make ``round``: to the nearest multiple, halves upwards."""
    vector, steps = arguments.vector, arguments.scalars

    def evaluate(moment: Moment) -> list[Row]:
        # Prometheus multiplies by the inverse; so do we, to round the same way.
        inverse = divided(1.0, steps[0](moment)) if steps else 1.0
        return moment.unnamed(
            [
                (labels, divided(rounded_down(value * inverse + 0.5), inverse))
                for labels, value in vector(moment)
            ]
        )

    return evaluate


def _clamp(arguments: Arguments) -> VectorOf:
    lowest, highest = arguments.scalars
    return _clamped(arguments.vector, lowest, highest)


def _clamp_min(arguments: Arguments) -> VectorOf:
    return _clamped(arguments.vector, arguments.scalars[0], lambda _: INF)


def _clamp_max(arguments: Arguments) -> VectorOf:
    return _clamped(arguments.vector, lambda _: -INF, arguments.scalars[0])


def _clamped(
    vector: VectorOf, lowest: Callable[[Moment], float], highest: Callable[[Moment], float]
) -> VectorOf:
    def evaluate(moment: Moment) -> list[Row]:
        rows, low, high = vector(moment), lowest(moment), highest(moment)
        if high < low:
            return []
        return moment.unnamed([(labels, higher_of(low, lower_of(high, value))) for labels, value in rows])

    return evaluate


VALUE_FUNCTIONS: Final = (
    *(Function(name, ("vector",), _each(of_value)) for name, of_value in _OF_VALUE.items()),
    *(Function(name, ("vector",), _dated(of_date), required=0) for name, of_date in _OF_DATE.items()),
    Function("round", ("vector", "scalar"), _round, required=1),
    Function("clamp", ("vector", "scalar", "scalar"), _clamp),
    Function("clamp_min", ("vector", "scalar"), _clamp_min),
    Function("clamp_max", ("vector", "scalar"), _clamp_max),
)
