"""The measurement of delivery, in miniature: everybody is told, and the figures hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.delivery.__main__ import plans, row
from bench.delivery.drain import Plan, measure
from bench.delivery.sink import limit, sink
from desk.delivery.mime import mime
from tests.desk.delivery.test_mime import MESSAGE, SENDER


def test_everybody_is_told_and_each_step_takes_its_time(tmp_path: Path) -> None:
    plan = Plan("sqlite", 300, couriers=2, desks=1, folder=str(tmp_path))
    found = measure(plan)
    assert 0 < found.first_s <= found.done_s
    assert 0 < found.planned_s <= found.done_s
    assert found.cpu_s > 0
    assert "| 300 | 2 |" in row(plan, found)


def test_each_database_is_measured_with_one_and_with_two() -> None:
    assert [(one.kind, one.couriers, one.desks) for one in plans(10, "")] == [
        ("sqlite", 1, 1),
        ("sqlite", 2, 1),
        ("postgresql", 1, 1),
        ("postgresql", 1, 2),
    ]


@pytest.mark.needs("smtp-sink")
def test_mails_reach_the_sink(tmp_path: Path) -> None:
    with sink() as port:
        assert limit(port, 2, 40, mime(MESSAGE, SENDER)) > 0
        found = measure(Plan("sqlite", 40, couriers=1, desks=1, folder=str(tmp_path), port=port))
    assert found.done_s > 0
