from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.duration import Duration, seconds
from model.misfit import Misfit


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("250ms", 250),
        ("15s", 15_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y", 31_536_000_000),
    ],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, ms: int) -> None:
    assert Duration.parse(text) == Duration(ms)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5 m",
        "-5m",
        "1.5h",
        "30m1h",
        "1h1h",
        "5M",
        "99999999999999999999y",
        "999y9999999999999y",
        "300y",
    ],
)
def test_what_prometheus_refuses_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Duration.parse(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_what_is_written_is_read_back(ms: int) -> None:
    assert Duration.parse(str(Duration(ms))) == Duration(ms)


def test_the_largest_exact_units_are_written() -> None:
    assert [str(seconds(s)) for s in (0, 90, 5400, 86400 * 90, 86400 * 7)] == [
        "0s",
        "1m30s",
        "1h30m",
        "90d",
        "1w",
    ]
