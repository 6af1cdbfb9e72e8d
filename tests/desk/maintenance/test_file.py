"""A file of planned work is read whole or refused with every mistake, each with its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.maintenance.file import MaintenanceFile, check_alone, mistakes, read_works
from desk.state import Impact
from model.decode import decode
from model.misfit import Rejected
from tests.desk import town
from tests.desk.town import NOW_MS

GOOD = """\
maintenances:
- maintenance: db
  services: [checkout]
  start: 2026-11-25T02:00:00+01:00
  end: 2026-11-25T02:20:00+01:00
  impact: major
  title: {en: New database, de: Neue Datenbank}
  notice: {en: You will be signed out once., de: Sie werden einmal abgemeldet.}
  todo: Save your work before.
"""


def problems(text: str, now_ms: int = NOW_MS, known: tuple[str, ...] = ()) -> list[str]:
    try:
        file = decode(text.encode(), "maintenance.yaml", MaintenanceFile)
    except Rejected as wrong:
        return [str(one) for one in wrong.problems]
    return [str(one) for one in mistakes(file.maintenances, town.catalogue(), now_ms, known)]


def test_a_file_is_planned_work_by_its_names(tmp_path: Path) -> None:
    town.write(tmp_path, "maintenance: [work.yaml]\n")
    (tmp_path / "work.yaml").write_text(GOOD)
    config = town.config(town.CONFIG + "maintenance: [work.yaml]\n")
    plans = read_works(config, town.catalogue(), tmp_path, NOW_MS, ())
    assert list(plans) == ["db"]
    assert plans["db"].impact is Impact.MAJOR
    assert plans["db"].end_ms - plans["db"].start_ms == 20 * 60_000
    assert plans["db"].noticed["de"] == "Sie werden einmal abgemeldet."
    assert check_alone(tmp_path / "work.yaml").maintenances[0].maintenance == "db"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("end: 2026-11-25T02:20", "end: 2026-11-25T01:20", "it ends before it begins; give it an end"),
        ("services: [checkout]", "services: [checkuot]", "there is no service 'checkuot'; did you mean"),
        ("services: [checkout]", "services: []", "it touches no service"),
        ("start: 2026-11-25T02:00:00+01:00", "start: tomorrow", "'tomorrow' is not a moment"),
        ("impact: major", "impact: unknown", "nobody knows how bad it may get"),
        ("impact: major", "impact: huge", "expected one of major"),
        ("Save your work before.", "It will be fixed by noon.", "the notice holds a promise"),
        (
            "You will be signed out once.",
            "Acme will be signed out.",
            "the notice holds the name of a customer",
        ),
        ("  impact: major", "  impact: major\n  affects: 'uses and region={{ region }}'", "has no labels"),
        ("  impact: major", "  impact: major\n  colour: red", "colour"),
    ],
)
def test_a_mistake_is_refused_with_its_cure(old: str, new: str, said: str) -> None:
    assert old in GOOD
    [found] = problems(GOOD.replace(old, new))
    assert said in found
    assert found.startswith("maintenance.yaml:")


def test_all_mistakes_come_at_once() -> None:
    again = GOOD.partition("\n")[2]
    found = problems(GOOD.replace("[checkout]", "[nothing]") + again)
    assert len(found) == 2
    assert "given twice, first in maintenance.yaml:2" in found[1]


def test_two_works_on_one_service_must_not_overlap() -> None:
    other = GOOD.partition("\n")[2].replace("maintenance: db", "maintenance: web")
    [found] = problems(GOOD + other)
    assert "it overlaps with 'db' for the service 'checkout'" in found
    assert problems(GOOD + other.replace("[checkout]", "[search]")) == []


def test_what_lies_in_the_past_is_a_mistake_unless_it_was_carried_out() -> None:
    later_ms = NOW_MS + 365 * 86_400_000
    [found] = problems(GOOD, later_ms)
    assert "it lies in the past; remove it, or write the right day" in found
    assert problems(GOOD, later_ms, ("db",)) == []


def test_a_file_that_is_not_there_is_named_where_it_is_named(tmp_path: Path) -> None:
    config = town.config(town.CONFIG + "maintenance: [none.yaml]\n")
    with pytest.raises(Rejected, match=r"none\.yaml cannot be read"):
        read_works(config, town.catalogue(), tmp_path, NOW_MS, ())
