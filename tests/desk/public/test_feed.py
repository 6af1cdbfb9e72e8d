from __future__ import annotations

from dataclasses import replace
from typing import Any

import feedparser
import pytest

from desk.page.view import PageView
from tests.desk.pages import MIN_MS, NOW_MS
from tests.desk.public.scene import full, hostile, reading

FEEDS = ("/history.atom", "/history.rss")


def parsed(path: str, view: PageView) -> Any:
    with reading(view) as client:
        answer = client.get(path)
    assert answer.status == 200
    found = feedparser.parse(answer.text)
    assert not found.bozo, found.get("bozo_exception")
    return found


@pytest.mark.parametrize("path", FEEDS)
def test_a_reader_finds_each_incident_and_each_planned_work_once(path: str) -> None:
    found = parsed(path, full())
    titles = [one.title for one in found.entries]
    assert titles == [
        "Database, moved",
        "Database, moved",
        "Payments fail",
        "Orders would have run out of disk",
    ]
    assert found.feed.title == "Example Status - Incident History"
    assert found.entries[2].link.endswith("/incidents/inc-1")


def test_an_entry_of_atom_keeps_its_id_and_says_what_it_touches() -> None:
    entry = parsed("/history.atom", full()).entries[2]
    assert entry.id == "tag:127.0.0.1,2005:Incident/inc-1"
    assert {(one.scheme, one.term) for one in entry.tags} >= {("impact", "critical")}
    assert "Checkout" in [one.label for one in entry.tags]
    assert "<strong>Identified</strong> - The payment server had stopped." in entry.content[0].value


def test_the_newest_word_stands_first() -> None:
    text = parsed("/history.rss", full()).entries[2].description
    assert text.index("Identified") < text.index("Investigating")


def test_planned_work_in_rss_is_known_by_its_end() -> None:
    planned = parsed("/history.rss", full()).entries[0]
    assert planned.maintenanceenddate.endswith("GMT")
    assert planned.description.startswith("<p>THIS IS A SCHEDULED EVENT")


def test_the_time_of_a_feed_stands_still_while_nothing_happens() -> None:
    view = full()
    later = replace(view, now_ms=NOW_MS + MIN_MS, confirmed_ms=NOW_MS + MIN_MS)
    assert parsed("/history.atom", view).feed.updated == parsed("/history.atom", later).feed.updated


@pytest.mark.parametrize("path", FEEDS)
def test_hostile_words_break_no_feed(path: str) -> None:
    found = parsed(path, hostile())
    assert found.entries[0].title.startswith("</title>") or "<script>" not in found.entries[0].title
    with reading(hostile()) as client:
        assert "<script>" not in client.get(path).text


@pytest.mark.parametrize("path", FEEDS)
def test_an_empty_history_is_a_feed_as_well(path: str) -> None:
    view = replace(full(), open_incidents=(), past_incidents=(), maintenances=())
    assert parsed(path, view).entries == []
