"""The measurement of who is told first: the same seed gives the same figures, and both counts agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.told_first import crowd, recount
from bench.told_first.episode import episodes, town
from bench.told_first.report import row, table
from bench.told_first.simulation import simulate
from desk.ledger.share import Share


def test_the_same_seed_gives_the_same_figures_and_the_ledger_is_right(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    found, again = (simulate(7, 6, tmp_path / name) for name in ("one", "two"))
    assert table(found) == table(again)
    assert found.figures().proactive_people == recount.told_first(found)
    assert sum(found.figures().told.values()) == 6
    assert len(row(found, "")) == 8


def test_another_seed_gives_other_episodes() -> None:
    one, two = (list(episodes(town(random.Random(n)), 9, random.Random(n))) for n in (1, 2))
    assert one != two
    assert one == list(episodes(town(random.Random(1)), 9, random.Random(1)))


def test_nobody_reports_what_is_over_and_faster_people_report_earlier() -> None:
    for episode in episodes(town(random.Random(3)), 60, random.Random(3)):
        slow, fast = episode.reported(), episode.reported(4)
        assert slow.keys() <= fast.keys()
        assert all(episode.onset_ms <= at_ms < episode.over_ms for at_ms in fast.values())
        assert all(fast[who] <= at_ms for who, at_ms in slow.items())


def test_where_a_human_writes_late_nobody_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = simulate(7, 2, tmp_path)
    monkeypatch.setattr(recount, "HUMAN_MS", 10**9)
    share = recount.if_humans_wrote(found)
    assert share.k == 0
    assert share == Share(0, share.n)


@pytest.mark.needs("smtp-sink")
def test_a_real_desk_says_how_long_its_people_waited(tmp_path: Path) -> None:
    found = crowd.measure(40, tmp_path)
    assert found.people == 40
    assert 0 <= found.p50_ms <= found.p90_ms <= found.p99_ms
