"""Cron lines: what they mean, compared with an implementation that others wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from model.moments import next_ms
from model.zone import Zone
from probes.job.cron import parse_cron


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    pair = st.tuples(number, number).filter(lambda two: two[0] < two[1])
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.integers(1, most).map(lambda step: f"*/{step}"),
        pair.map(lambda two: f"{two[0]}-{two[1]}"),
        st.tuples(pair, st.integers(1, 5)).map(lambda two: f"{two[0][0]}-{two[0][1]}/{two[1]}"),
        pair.map(lambda two: f"{two[0]},{two[1]}"),
    )


LINES = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(" ".join)
TIMES = st.integers(1_600_000_000, 1_900_000_000)


def ours(line: str, zone: str, after_s: int, count: int) -> list[int]:
    moments, at_ms = parse_cron(line), after_s * 1000
    found: list[int] = []
    while len(found) < count:
        later_ms = next_ms(moments, Zone(zone), at_ms)
        assert later_ms is not None
        at_ms = later_ms
        found.append(at_ms // 1000)
    return found


@given(LINES, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]), TIMES)
def test_a_line_means_what_it_means_to_others(line: str, zone: str, after_s: int) -> None:
    try:
        parse_cron(line)
    except Misfit as wrong:
        assert "never comes" in wrong.sentence  # noqa: PT017  # any other reason would be wrong here
        return
    theirs = CronSim(line, datetime.fromtimestamp(after_s, ZoneInfo(zone)))
    assert ours(line, zone, after_s, 4) == [int(next(theirs).timestamp()) for _ in range(4)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 3 * * *", "2026-05-02 03:00"),
        ("0 3 * * mon-fri", "2026-05-04 03:00"),
        ("0 3 * * MON", "2026-05-04 03:00"),
        ("0 0 * jan sun", "2027-01-03 00:00"),
        ("0 0 * * 0", "2026-05-03 00:00"),
        ("0 0 * * 7", "2026-05-03 00:00"),
        ("0 0 * * 5-7", "2026-05-02 00:00"),
        ("0 0 13 * 5", "2026-05-08 00:00"),
        ("*/20 * * * *", "2026-05-01 12:20"),
        ("50/5 * * * *", "2026-05-01 12:50"),
        ("@weekly", "2026-05-03 00:00"),
        ("@HOURLY", "2026-05-01 13:00"),
        ("  5   4  * * *  ", "2026-05-02 04:05"),
    ],
)
def test_a_line_names_its_next_moment(line: str, expected: str) -> None:
    # 1 May 2026 is a Friday.
    after_s = int(datetime(2026, 5, 1, 12, 0, tzinfo=UTC).timestamp())
    assert (
        datetime.fromtimestamp(ours(line, "UTC", after_s, 1)[0], UTC).strftime("%Y-%m-%d %H:%M") == expected
    )


@pytest.mark.parametrize("line", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_a_line_that_never_comes_is_refused(line: str) -> None:
    with pytest.raises(Misfit, match="never comes"):
        parse_cron(line)


def test_a_line_for_29_february_comes() -> None:
    assert parse_cron("0 0 29 2 *")


@pytest.mark.parametrize(
    "line",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "*/0 * * * *", "5-1 * * * *", "a * * * *", "1,,2 * * * *", "-1 * * * *", "1- * * * *", "@reboot",
        "* * * * mon-", "٣ * * * *", "*/ * * * *", "1/2/3 * * * *", "99999999999 * * * *", "jan * * * *",
    ],
)  # fmt: skip  # the lines side by side
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(Misfit):
        parse_cron(line)


@given(st.text("0123456789*/-,@ abcmonjanL#?", max_size=30))
def test_any_text_is_a_line_or_refused(text: str) -> None:
    try:
        parse_cron(text)
    except Misfit:
        return
