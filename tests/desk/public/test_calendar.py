from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from icalendar import Calendar

from desk.public.calendar import calendar
from tests.desk.public.scene import CALLED_OFF, WORK, full, hostile, reading


def events(data: bytes | str) -> list[Any]:
    return list(Calendar.from_ical(data).walk("VEVENT"))


def test_a_calendar_reads_planned_work() -> None:
    with reading(full()) as client:
        answer = client.get("/maintenance.ics")
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    found = events(answer.text)
    first = found[0]
    assert str(first["UID"]) == "m-1@127.0.0.1"
    assert first["SEQUENCE"] == 1
    assert first["DTSTART"].dt == datetime.fromtimestamp(WORK.start_ms / 1000, UTC)
    assert first["DTEND"].dt == datetime.fromtimestamp(WORK.end_ms / 1000, UTC)
    assert str(first["SUMMARY"]) == "Maintenance: Database, moved (Checkout)"
    assert str(first["DESCRIPTION"]) == WORK.text


def test_what_was_called_off_stays_so_that_calendars_drop_it() -> None:
    found = events(calendar(full()))
    status = {str(one["UID"]).partition("@")[0]: str(one["STATUS"]) for one in found}
    assert status[CALLED_OFF.id] == "CANCELLED"
    assert status[WORK.id] == "CONFIRMED"


def test_no_line_is_longer_than_a_reader_takes() -> None:
    view = replace(full(), maintenances=(replace(WORK, text="Ünïcödé täxt " * 40),))
    data = calendar(view)
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    assert str(events(data)[0]["DESCRIPTION"]) == "Ünïcödé täxt " * 40


def test_hostile_words_end_no_calendar_early() -> None:
    data = calendar(hostile())
    assert data.count(b"\r\nEND:VCALENDAR\r\n") == 1
    assert len(events(data)) == 1
