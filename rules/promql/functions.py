"""Every function of the language; to add one, write it in its module and name it there."""

from __future__ import annotations

import math
from typing import Final

from rules.promql.experimental import EXPERIMENTAL_FUNCTIONS
from rules.promql.function import Arguments, Function, ScalarFunction
from rules.promql.moment import Moment, ScalarOf
from rules.promql.numbers import NAN
from rules.promql.of_histograms import HISTOGRAM_FUNCTIONS
from rules.promql.of_labels import LABEL_FUNCTIONS
from rules.promql.of_values import VALUE_FUNCTIONS
from rules.promql.over_range import RANGE_FUNCTIONS


def _scalar(arguments: Arguments) -> ScalarOf:
    """Make ``scalar``: the value of a vector's only element, else NaN."""
    vector = arguments.vector

    def evaluate(moment: Moment) -> float:
        rows = vector(moment)
        return rows[0][1] if len(rows) == 1 else NAN

    return evaluate


SCALAR_FUNCTIONS: Final = (
    ScalarFunction("time", (), lambda _: lambda moment: moment.at_ms / 1000),
    ScalarFunction("pi", (), lambda _: lambda _moment: math.pi),
    ScalarFunction("scalar", ("vector",), _scalar),
)

_ALL: Final[tuple[Function | ScalarFunction, ...]] = (
    *RANGE_FUNCTIONS,
    *VALUE_FUNCTIONS,
    *LABEL_FUNCTIONS,
    *HISTOGRAM_FUNCTIONS,
    *SCALAR_FUNCTIONS,
    *EXPERIMENTAL_FUNCTIONS,
)

FUNCTIONS: Final = {function.name: function for function in _ALL}

UNSUPPORTED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "histogram_avg",
            "histogram_count",
            "histogram_quantiles",
            "histogram_stddev",
            "histogram_stdvar",
            "histogram_sum",
        ),
        "native histograms are not supported",
    ),
    **dict.fromkeys(
        ("end", "info", "max_of", "min_of", "range", "start", "start_timestamp", "step"),
        "it is experimental in Prometheus",
    ),
}
"""Functions of Prometheus that are always refused, with the reason."""
