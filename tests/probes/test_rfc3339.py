from __future__ import annotations

import pytest

from probes.rfc3339 import moment_s


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-01T12:00:00Z", 1772366400),
        ("2026-03-01T12:00:00+01:00", 1772362800),
        ("2026-03-01t12:00:00.250-00:30", 1772368200.25),
        ("2026-03-01T12:00:00.123456789123Z", 1772366400.123456789),
        ("2026-03-01 12:00:00", 1772366400),
        ("2024-02-29T23:59:60Z", 1709251200),
        ("9999-12-31T23:59:59Z", 253402300799),
        ("2038-01-19T03:14:08Z", 2147483648),
    ],
)
def test_a_moment_is_read_in_seconds_since_1970(text: str, expected: float) -> None:
    assert moment_s(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2026-03-01", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
     "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+24:00", "٢٠٢٦-01-01T00:00:00Z", "x" * 10_000],
)  # fmt: skip  # the cases on two lines
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment_s(text) is None
