"""Calendar events: what they mean, compared with what systemd says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.misfit import Misfit
from model.moments import next_ms
from model.zone import Zone
from probes.job.on_calendar import parse_on_calendar

COUNT = 4
BEGIN = datetime(2026, 3, 27, 23, 10, tzinfo=UTC)
ELAPSE = re.compile(r"(?:elapse|Iter\. #\d+|\(in UTC\)): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")


def part(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    pair = st.tuples(number, number).filter(lambda two: two[0] < two[1])
    return st.one_of(
        st.just("*"),
        number.map("{:02d}".format),
        st.tuples(number, st.integers(1, max(1, most // 3))).map(lambda two: f"{two[0]}/{two[1]}"),
        pair.map(lambda two: f"{two[0]}..{two[1]}"),
        st.tuples(pair, st.integers(1, 4)).map(lambda two: f"{two[0][0]}..{two[0][1]}/{two[1]}"),
        pair.map(lambda two: f"{two[0]},{two[1]}"),
    )


def optional(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), strategy)


DAYS = ("Mon", "tue", "Wednesday", "THU", "Fri", "Sat", "Sunday")
WEEK = st.one_of(
    st.sampled_from(DAYS),
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda two: two[0] < two[1]).map(
        lambda two: f"{DAYS[two[0]]}..{DAYS[two[1]]}"
    ),
    st.sampled_from(["Mon,Fri", "Mon..Wed,Sat", "Mon-Fri"]),
)  # fmt: skip  # the pair on one line
DATE = st.tuples(
    st.sampled_from(["", "*-", "2026..2030-", "2027-"]), part(1, 12), st.sampled_from("--~"), part(1, 31)
).map("".join)
TIME = st.tuples(part(0, 23), st.just(":"), part(0, 59), optional(part(0, 59).map(":{}".format))).map("".join)
EVENTS = st.tuples(optional(WEEK), optional(DATE), optional(TIME)).map(
    lambda parts: " ".join(filter(None, parts))
)


def systemd(event: str) -> list[str] | None:
    """Return the next moments as systemd knows them; None where it refuses the event."""
    argv = [
        "systemd-analyze",
        "calendar",
        f"--iterations={COUNT}",
        f"--base-time={BEGIN:%Y-%m-%d %H:%M:%S} UTC",
    ]
    said = subprocess.run(
        [*argv, event],
        env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return ELAPSE.findall(said.stdout) if said.returncode == 0 else None


def ours(event: str) -> list[str] | None:
    try:
        moments, zone = parse_on_calendar(event)
    except Misfit as wrong:
        return [] if "never comes" in wrong.sentence else None
    found: list[str] = []
    at_ms: int | None = int(BEGIN.timestamp() * 1000)
    while len(found) < COUNT and at_ms is not None:
        at_ms = next_ms(moments, zone or Zone("UTC"), at_ms)
        if at_ms is not None:
            found.append(datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"))
    return found


def disagreements(events: Iterable[str]) -> list[str]:
    return [event for event in events if (theirs := systemd(event)) is not None and ours(event) != theirs]


@pytest.mark.needs("systemd-analyze")
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS.filter(bool), st.sampled_from(["", "", " UTC", " Europe/Berlin"]))
def test_an_event_means_what_it_means_to_systemd(event: str, zone: str) -> None:
    assert disagreements([event + zone]) == []


KNOWN = (
    "minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly", "annually",
    "Weekly UTC", "daily Europe/Berlin", "Mon", "Mon..Fri", "Mon-Fri", "Sat,Sun 12:05", "*:*", "*:0/15",
    "*-*-*", "*-*-01", "*-*-31", "2026-12-24", "12-24 08:00 Europe/Berlin", "*-02-29", "*-02~03",
    "Mon *-*~07/1", "*-*~1..5/2", "*-*~9..12", "*-*~20/6",
    "*-1/3-1", "*-*-1/10", "0/5:0", "10..20/3:00", "8:05:1/7", "2026..2027-1,6-1", "Mon..Wed,Fri *-*-1..7",
    "*-*-* 02:30 Europe/Berlin", "*:*:30 Europe/Berlin", "7..7:00",
)  # fmt: skip  # the events side by side
REFUSED = (
    "", " ", "foo", "Sat..Mon", "25:00", "*:60", "*-13-1", "*-*-0", "*-*-32", "10..5:00", "*/2:00", "*-*-*/2",
    "mon..", "5", "12:00 Mon", "*-*~07/1 Mon", "daily daily", "1-2-3-4", "::", "12:", "12:00 Nowhere/Such",
)  # fmt: skip  # the events side by side


@pytest.mark.needs("systemd-analyze")
def test_the_usual_events_mean_what_they_mean_to_systemd() -> None:
    assert [event for event in KNOWN if systemd(event) is None] == []
    assert disagreements(KNOWN) == []


@pytest.mark.parametrize("event", KNOWN)
def test_the_usual_events_are_read(event: str) -> None:
    assert ours(event)


@pytest.mark.needs("systemd-analyze")
def test_what_is_refused_here_is_refused_by_systemd() -> None:
    assert [event for event in REFUSED if systemd(event) is not None] == []


@pytest.mark.parametrize("event", [*REFUSED, "@12345", "05:40:23.5"])
def test_what_is_no_event_is_refused(event: str) -> None:
    with pytest.raises(Misfit):
        parse_on_calendar(event)


@pytest.mark.parametrize("event", ["2030-02-29", "*-02-30", "Mon 2026-01-02"])
def test_an_event_that_never_comes_is_refused(event: str) -> None:
    with pytest.raises(Misfit, match="never comes"):
        parse_on_calendar(event)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Europe/Atlantis", "a/b/c"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(Misfit, match="is not a time zone"):
        parse_on_calendar(f"12:00 {zone}")


@given(st.text("0123456789*/-~:., MonTueFriUTC@", max_size=40))
def test_any_text_is_an_event_or_refused(text: str) -> None:
    try:
        parse_on_calendar(text)
    except Misfit:
        return
