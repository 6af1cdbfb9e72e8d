"""The files are read again as a whole: planned work with the catalogue, or nothing of either."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from desk.catalogue import edition
from desk.catalogue.file import read_catalogue
from desk.catalogue.reread import Reread, reread, take_up
from desk.config import read_config
from desk.house import House
from desk.maintenance import book as maintenance_book
from model.misfit import Rejected
from tests.desk import town
from tests.desk.catalogue.test_api import desk
from tests.desk.serving import Serving, until
from tests.desk.stage import Stage
from tests.desk.town import NOW_MS

DAY = timedelta(days=1)
NEEDS = "\nmaintenance: [work.yaml]\n"


def works(*names: str, service: str = "checkout", start: datetime | None = None) -> str:
    begin = start or datetime.fromtimestamp(NOW_MS / 1000, UTC) + 3 * DAY
    return "maintenances:\n" + "".join(
        f"- maintenance: {name}\n  services: [{service}]\n  impact: minor\n  title: New database\n"
        f"  start: {(begin + number * DAY).isoformat()}\n"
        f"  end: {(begin + number * DAY + DAY / 24).isoformat()}\n"
        for number, name in enumerate(names)
    )


class Place:
    """A desk with files, which are read again by hand."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.work = folder / "work.yaml"
        self.catalogue = folder / "catalogue.yaml"
        self.work.write_text(works("db"))
        config = read_config(town.write(folder, NEEDS))
        self.files = edition.files_digest(config)
        self.house: House = stage.house.__class__(
            config,
            read_catalogue(config, folder),
            stage.house.people,
            town.SECRET,
            stage.house.started_ms,
        )

    def read(self) -> Reread:
        known = self.stage.store.written(maintenance_book.known)
        return reread(self.house, self.files, known, self.stage.now_ms)

    def again(self) -> bool:
        found = self.read()
        take = partial(take_up, house=self.house, found=found, now_ms=self.stage.now_ms)
        self.house, changed = self.stage.store.written(take)
        self.files = found.files
        return changed

    def planned(self) -> dict[str, bool]:
        with self.stage.store.reading() as conn:
            known = maintenance_book.works(conn, self.stage.now_ms)
        return {one.id: one.over for one in known}


@pytest.fixture
def place(stage: Stage, tmp_path: Path) -> Place:
    return Place(stage, tmp_path)


def test_planned_work_that_came_and_went_in_its_file_is_planned_and_called_off(place: Place) -> None:
    assert place.again()
    assert place.planned() == {"db": False}
    place.work.write_text(works("db", "cache"))
    assert place.again()
    assert place.planned() == {"db": False, "cache": False}
    place.work.write_text(works("db"))
    assert place.again()
    assert place.planned() == {"db": False, "cache": True}


def test_files_that_are_as_they_were_change_nothing(place: Place) -> None:
    place.again()
    assert not place.again()


def test_planned_work_may_name_a_service_that_the_same_reload_brings(place: Place) -> None:
    place.work.write_text(works("db", service="basket"))
    with pytest.raises(Rejected, match="there is no service 'basket'"):
        place.read()
    place.catalogue.write_text(
        town.CATALOGUE.replace("- service: search", "- service: basket\n- service: search")
    )
    assert place.again()
    assert place.planned() == {"db": False}
    assert "basket" in place.house.catalogue.services


def test_with_a_mistake_in_one_file_nothing_of_the_others_is_taken_up_and_all_are_named(place: Place) -> None:
    place.again()
    before = place.house
    place.catalogue.write_text(town.CATALOGUE.replace("uses: [search]", "uses: [serch]"))
    place.work.write_text(works("db", "cache").replace("impact: minor", "impact: huge", 1))
    with pytest.raises(Rejected) as refused:
        place.again()
    said = [problem.sentence for problem in refused.value.problems]
    assert len(said) == 2
    assert "there is no service 'serch'" in said[0]
    assert "huge" in said[1]
    assert place.house is before
    assert place.planned() == {"db": False}


def test_a_file_of_planned_work_that_is_gone_calls_nothing_off(place: Place) -> None:
    place.again()
    place.work.unlink()
    with pytest.raises(Rejected, match=r"work\.yaml"):
        place.again()
    assert place.planned() == {"db": False}


def hup(serving: Serving) -> None:
    assert serving.process is not None
    os.kill(serving.process.pid, signal.SIGHUP)


def titles(serving: Serving) -> set[str]:
    return {one["id"] for one in serving.ask("/api/v1/maintenances").json()}


def test_a_signal_has_planned_work_read_again(tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + 3 * DAY
    file = tmp_path / "work.yaml"
    file.write_text(works("db", start=start))
    with desk(tmp_path, more=NEEDS) as serving:
        assert titles(serving) == {"db"}
        file.write_text(works("db", "cache", start=start))
        hup(serving)
        until(lambda: titles(serving) == {"db", "cache"}, "the new work is planned")
        file.write_text(works("db", "cache", "late", start=start).replace("minor", "huge", 1))
        hup(serving)
        file.write_text(works("db", "cache", "queue", start=start))
        hup(serving)
        until(lambda: "queue" in titles(serving), "the next one is read")
        assert titles(serving) == {"db", "cache", "queue"}


def test_work_that_was_called_off_and_comes_back_under_its_name_stays_off_and_the_log_says_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for names in (("db", "cache"), ("db",)):
        place.work.write_text(works(*names))
        place.again()
    assert not caplog.records
    place.work.write_text(works("db", "cache"))
    place.again()
    assert place.planned() == {"db": False, "cache": True}
    [said] = [one.getMessage() for one in caplog.records]
    assert said.startswith("the maintenance 'cache' was called off")
    assert "give it another id" in said
    caplog.clear()
    place.work.write_text(works("db", "cache2"))
    place.again()
    assert place.planned() == {"db": False, "cache": True, "cache2": False}
    assert not caplog.records
