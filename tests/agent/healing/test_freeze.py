from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from agent.healing.freeze import Cron, Freeze, frozen
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.zone import Zone

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = Freeze("weekend", Cron.parse("0 18 * * fri"), Duration.parse("2d12h"), Zone.parse("Europe/Berlin"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-11-20T17:59:59", False),
        ("2026-11-20T18:00:00", True),
        ("2026-11-22T12:00:00", True),
        ("2026-11-23T05:59:59", True),
        ("2026-11-23T06:00:00", False),
    ],
)
def test_a_freeze_holds_from_its_cron_line_for_its_duration(moment: str, holds: bool) -> None:
    assert bool(frozen([WEEKEND], at(moment))) is holds


def test_a_freeze_says_until_when_and_why() -> None:
    assert frozen([WEEKEND], at("2026-11-21T12:00:00")) == "frozen until 2026-11-23 06:00 CET (weekend)"


def test_a_freeze_over_the_change_to_summer_time_starts_at_its_local_time() -> None:
    nightly = Freeze("night", Cron.parse("30 2 * * *"), seconds(3600), Zone.parse("Europe/Berlin"))
    assert frozen([nightly], at("2026-03-28T02:45:00"))
    assert frozen([nightly], at("2026-03-30T02:45:00"))
    assert not frozen([nightly], at("2026-03-30T04:00:00"))


@pytest.mark.parametrize(
    "text", ["", "x", "0 18 * *", "0 25 * * *", "0 0 31 2 *", "0 0 30 2 *", "0 18 * * 5", "0 0 * * mon-5"]
)
def test_a_cron_line_that_never_comes_or_counts_weekdays_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Cron.parse(text)


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd"])
def test_a_zone_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Zone.parse(text)


def test_a_freeze_of_no_length_is_refused() -> None:
    with pytest.raises(Misfit, match="a freeze lasts up to 31d, got 0s"):
        Freeze("never", Cron.parse("0 18 * * fri"), Duration(0))
