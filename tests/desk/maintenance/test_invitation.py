"""Letters on planned work carry it for the reader's calendar, where one name stays one event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar

from desk.catalogue.person import EmailAddress, Sender
from desk.delivery.mime import mime
from desk.maintenance import book as maintenance_book
from desk.maintenance.maintenance import HOUR_MS
from desk.page.read import Reader
from desk.page.view import DAY_MS
from desk.public.calendar import Entry, calendar, sheet
from model.plugin import Message
from tests.desk.delivery.test_mime import MESSAGE, SENDER
from tests.desk.leaves import furnish, post
from tests.desk.maintenance.test_maintenance import PLAN, change, known, plan
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, NOW_MS

ENTRY = Entry(
    uid="db@shop.example",
    changed_ms=NOW_MS,
    sequence=2,
    start_ms=NOW_MS + DAY_MS,
    end_ms=NOW_MS + DAY_MS + HOUR_MS,
    summary="Planned work: New database (Checkout)",
    text="Checkout, and more; it's out.\nYou need to do nothing.",
    url="https://shop.example/maintenances/db",
    organizer=("Example Shop", "status@shop.example"),
)


def parts(message: Message) -> tuple[EmailMessage, list[EmailMessage]]:
    read = message_from_bytes(mime(message, SENDER), policy=policy.default)
    assert read.defects == []
    return read, [one for one in read.walk() if isinstance(one, EmailMessage) and not one.is_multipart()]


def invitation(message: Message) -> tuple[Calendar, Any]:
    """Return the calendar of a mail, as a mail program and then a calendar reads it."""
    read, [plain, html, ics] = parts(message)
    assert read.get_content_type() == "multipart/mixed"
    assert [one.get_content_type() for one in (plain, html, ics)] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    found = Calendar.from_ical(ics.get_content())
    assert isinstance(found, Calendar)
    assert ics["Content-Type"].params["method"] == str(found["METHOD"])
    assert ics["Content-Type"].params["charset"] == "utf-8"
    assert ics.get_filename() == "maintenance.ics"
    [event] = found.walk("VEVENT")
    return found, event


def to(letters: list[Message], person: str) -> Message:
    [one] = [letter for letter in letters if letter.to == person]
    return one


def test_an_announcement_carries_the_work_in_the_own_language(stage: Stage) -> None:
    plan(stage)
    stage.pass_ms(1)
    letters = post(stage)
    found, event = invitation(to(letters, ADA))
    assert str(found["METHOD"]) == "PUBLISH"
    assert str(event["UID"]) == "db@127.0.0.1"
    assert event["SEQUENCE"] == 0
    assert event["DTSTART"].dt == datetime.fromtimestamp(PLAN.start_ms / 1000, UTC)
    assert event["DTEND"].dt == datetime.fromtimestamp(PLAN.end_ms / 1000, UTC)
    assert str(event["SUMMARY"]) == "Geplante Arbeiten: Neue Datenbank (Kasse)"
    assert "Sie müssen nichts tun." in str(event["DESCRIPTION"])
    assert str(event["ORGANIZER"]) == "mailto:desk@localhost"
    assert "ATTENDEE" not in event
    _, event = invitation(to(letters, BEN))
    assert str(event["SUMMARY"]) == "Planned work: New database (Checkout)"


def test_moved_work_takes_the_place_of_the_former_and_cancelled_work_leaves(stage: Stage) -> None:
    plan(stage)
    stage.pass_ms(1)
    _, announced = invitation(to(post(stage), BEN))
    later = replace(PLAN, start_ms=PLAN.start_ms + DAY_MS, end_ms=PLAN.end_ms + DAY_MS)
    change(stage, maintenance_book.changed(known(stage), later, stage.now_ms))
    stage.pass_ms(1)
    found, moved = invitation(to(post(stage), BEN))
    assert str(found["METHOD"]) == "PUBLISH"
    assert str(moved["UID"]) == str(announced["UID"])
    assert moved["SEQUENCE"] == announced["SEQUENCE"] + 1
    assert moved["DTSTART"].dt == datetime.fromtimestamp(later.start_ms / 1000, UTC)
    change(stage, replace(known(stage), cancelled_ms=stage.now_ms))
    stage.pass_ms(1)
    found, off = invitation(to(post(stage), BEN))
    assert str(found["METHOD"]) == "CANCEL"
    assert (str(off["UID"]), off["SEQUENCE"], str(off["STATUS"])) == (str(moved["UID"]), 2, "CANCELLED")
    page = Reader(stage.store, stage.house, None, NOW_MS - DAY_MS).page(stage.now_ms)
    [shown] = Calendar.from_ical(calendar(page)).walk("VEVENT")
    assert (str(shown["UID"]), shown["SEQUENCE"], str(shown["STATUS"])) == (str(off["UID"]), 2, "CANCELLED")


def test_what_begins_and_ends_carries_no_calendar(stage: Stage) -> None:
    plan(stage, replace(PLAN, start_ms=NOW_MS + HOUR_MS // 2, end_ms=NOW_MS + HOUR_MS))
    stage.pass_ms(1)
    assert to(post(stage), BEN).calendar
    for _ in range(2):
        stage.pass_ms(HOUR_MS // 2)
        message = to(post(stage), BEN)
        assert message.calendar == ""
        read, found = parts(message)
        assert read.get_content_type() == "multipart/alternative"
        assert len(found) == 2


def test_a_test_is_marked_in_the_calendar_too(stage: Stage) -> None:
    furnish(stage, config="test_mode: true\n")
    plan(stage)
    stage.pass_ms(1)
    _, event = invitation(to(post(stage), BEN))
    assert str(event["SUMMARY"]).startswith("[TEST] ")


def test_the_organizer_is_who_reads_answers(stage: Stage) -> None:
    smtp = "smtp: {host: 127.0.0.1, from: 'Shop <status@shop.example>', reply_to: help@shop.example}\n"
    furnish(stage, config=smtp)
    plan(stage)
    stage.pass_ms(1)
    _, event = invitation(to(post(stage), BEN))
    assert str(event["ORGANIZER"]) == "mailto:help@shop.example"


def test_hostile_words_stay_words(stage: Stage) -> None:
    title = "X\r\nEND:VCALENDAR\r\nMETHOD:REQUEST; a, b\\"
    plan(stage, replace(PLAN, title={"en": title}))
    stage.pass_ms(1)
    found, event = invitation(to(post(stage), BEN))
    assert str(found["METHOD"]) == "PUBLISH"
    assert "METHOD:REQUEST; a, b\\" in str(event["SUMMARY"])


@pytest.mark.parametrize("name", ['A "quoted" name', "Ünï, cödé; x:y", "a\r\nATTENDEE:mailto:x@y.example"])
def test_a_name_of_any_kind_stays_within_its_quotes(name: str) -> None:
    [event] = Calendar.from_ical(sheet(replace(ENTRY, organizer=(name, "a@b.example")))).walk("VEVENT")
    assert str(event["ORGANIZER"]) == "mailto:a@b.example"
    assert "ATTENDEE" not in event
    assert str(event["DESCRIPTION"]) == ENTRY.text


def test_the_text_beside_a_calendar_is_the_same_as_without_one() -> None:
    _, [plain, html, _] = parts(replace(MESSAGE, calendar=sheet(ENTRY)))
    _, [plain_alone, html_alone] = parts(MESSAGE)
    assert plain.get_content() == plain_alone.get_content()
    assert html.get_content() == html_alone.get_content()
    sender = Sender("Example", EmailAddress("status@example.com"))
    assert all(
        len(line) < 998 for line in mime(replace(MESSAGE, calendar=sheet(ENTRY)), sender).split(b"\r\n")
    )


def test_a_calendar_without_a_method_is_never_sent() -> None:
    with pytest.raises(AssertionError, match="has a method"):
        mime(replace(MESSAGE, calendar="BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), SENDER)
