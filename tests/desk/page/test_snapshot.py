from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as Tree

import pytest
from icalendar import Calendar

from desk.page.page import FILES
from desk.page.snapshot import EVERY_MS, MANIFEST, Snapshot
from desk.page.view import PageView, honest
from desk.state import IncidentState, ServiceState
from tests.desk.hostile import EVERYTHING
from tests.desk.page.test_page import parsed
from tests.desk.pages import MIN_MS, silent
from tests.desk.public.scene import full, hostile

SAID = "27 Jul 2026, 14:31 UTC"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "copy"
    found.mkdir()
    return found


def copied(place: Path, view: PageView | None = None) -> Snapshot:
    made = Snapshot(place)
    made.keep(view or full())
    return made


def files(place: Path) -> dict[str, int]:
    """Return every file with the number of its inode, which a rename changes."""
    return {str(one.relative_to(place)): one.stat().st_ino for one in place.rglob("*") if one.is_file()}


def test_everything_that_anybody_may_read_is_there(place: Path) -> None:
    copied(place)
    found = set(files(place))
    assert {
        "index.html",
        "history/index.html",
        "incidents/inc-1/index.html",
        "incidents/inc-0.json",
        "api/v2/summary.json",
        "api/v2/incidents/unresolved.json",
        "api/v2/scheduled-maintenances/active.json",
        "history.atom",
        "history.rss",
        "maintenance.ics",
        "badge.svg",
        "badge/search.json",
        "static/page.css",
    } <= found
    assert set(json.loads((place / MANIFEST).read_text())["files"]) == found - {MANIFEST}


def test_each_file_says_when_it_was_written(place: Path) -> None:
    copied(place)
    for name in ("index.html", "history/index.html", "incidents/inc-0/index.html"):
        assert f"This is a copy, written at {SAID}" in parsed((place / name).read_text()).words
    for name in files(place):
        text = (place / name).read_text()
        if name.startswith("badge"):
            assert f"at {SAID}" in text
        elif not name.startswith("static/"):
            assert "2026-07-27T14:31:02.000Z" in text, name
    Tree.fromstring((place / "history.atom").read_bytes())
    Tree.fromstring((place / "history.rss").read_bytes())
    assert Calendar.from_ical((place / "maintenance.ics").read_bytes())


def test_the_copy_claims_nothing_without_its_time_and_counts_no_minutes_that_would_go_stale(
    place: Path,
) -> None:
    copied(place)
    for name in ("index.html", "history/index.html", "incidents/inc-1/index.html"):
        words = parsed((place / name).read_text()).words
        assert " ago." not in words
        assert " minutes ago" not in words
        assert "in 21 minutes" not in words
        assert "renews itself" not in words
    front = (place / "index.html").read_text()
    assert f"<h1>{SAID}: " in front
    assert f"<title>{SAID}: " in front


def test_every_link_of_a_copy_leads_to_a_file_of_it_wherever_it_lies(place: Path) -> None:
    view = replace(full(), maintenances=())
    copied(place, view)
    for name in files(place):
        if not name.endswith(".html"):
            continue
        for _, attribute, value in parsed((place / name).read_text()).attributes:
            if attribute in ("href", "src") and not value.startswith((view.url, "#")):
                target = (place / name).parent / urlsplit(value).path
                assert target.is_file(), (name, value)


def test_whoever_serves_it_may_read_it_whatever_our_umask_is(place: Path) -> None:
    before = os.umask(0o077)
    try:
        copied(place)
    finally:
        os.umask(before)
    for one in place.rglob("*"):
        assert stat.S_IMODE(one.stat().st_mode) == (0o755 if one.is_dir() else 0o644), one


def test_nothing_is_written_while_nothing_changes_and_little_each_minute(place: Path) -> None:
    view = full()
    copy = copied(place, view)
    before = files(place)
    copy.keep(replace(view, now_ms=view.now_ms + EVERY_MS - 1, confirmed_ms=view.now_ms))
    assert files(place) == before
    copy.keep(replace(view, now_ms=view.now_ms + EVERY_MS))
    after = files(place)
    again = {name for name in after if after[name] != before[name]}
    assert {"index.html", "api/v2/status.json", "badge.svg"} <= again
    assert not {name for name in again if name.startswith(("static/", "incidents/", "history"))}


def test_a_change_is_written_at_once_and_what_is_gone_goes(place: Path) -> None:
    view = full()
    copy = copied(place, view)
    (place / "robots.txt").write_text("not ours")
    going = replace(view.open_incidents[0], state=IncidentState.IDENTIFIED)
    copy.keep(replace(view, open_incidents=(going,), past_incidents=(), now_ms=view.now_ms + 1))
    assert json.loads((place / "incidents/inc-1.json").read_text())["incident"]["status"] == "identified"
    assert not (place / "incidents/inc-0.json").exists()
    assert (place / "robots.txt").exists()


def test_what_a_former_desk_left_goes_and_nothing_beside_the_copy_does(place: Path) -> None:
    copied(place)
    outside = place.parent / "outside.html"
    outside.write_text("not ours")
    listed = json.loads((place / MANIFEST).read_text())
    listed["files"] += ["../outside.html", str(outside), "static/../../outside.html"]
    (place / MANIFEST).write_text(json.dumps(listed))
    copied(place, replace(full(), past_incidents=()))
    assert not (place / "incidents/inc-0.json").exists()
    assert outside.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', "\x00"])
def test_a_manifest_that_is_none_is_no_trouble(place: Path, text: str) -> None:
    (place / MANIFEST).write_text(text)
    copied(place)
    assert (place / "index.html").exists()


def test_a_page_that_nobody_confirms_is_copied_as_unknown(place: Path) -> None:
    copied(place, honest(replace(full(), confirmed_ms=full().now_ms - 10 * MIN_MS)))
    assert "We do not know how things stand right now." in (place / "index.html").read_text()
    assert "unknown at" in (place / "badge.svg").read_text()


def test_hostile_words_stay_words_in_the_copy(place: Path) -> None:
    view = hostile()
    odd = replace(view.services[0], service="../../up")
    copied(place, replace(view, services=(odd,), past_incidents=(replace(silent(), id="../x"),)))
    assert set(files(place.parent)) == {f"copy/{name}" for name in files(place)}
    for name in files(place):
        if name.endswith(".html"):
            tags = parsed((place / name).read_text())
            assert tags.seen.count("script") == 1
            assert not any(attribute.startswith("on") for _, attribute, _ in tags.attributes)
    assert EVERYTHING in json.loads((place / "api/v2/summary.json").read_text())["page"]["name"]


def test_a_missing_place_is_said_once_and_taken_up_when_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view, place = full(), tmp_path / "copy"
    copy = Snapshot(place)
    with caplog.at_level(logging.WARNING, "desk.copy"):
        for minute in range(3):
            copy.keep(replace(view, now_ms=view.now_ms + minute * EVERY_MS))
        assert [one.message for one in caplog.records] == [
            f"the copy in {place} cannot be written: No such file or directory"
        ]
        assert not place.exists()
        place.mkdir()
        copy.keep(replace(view, now_ms=view.now_ms + 3 * EVERY_MS))
    assert caplog.records[-1].message == f"the copy in {place} is written again"
    assert (place / "index.html").exists()


@pytest.mark.needs("root")
def test_a_full_disk_leaves_whole_pages_and_no_halves(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    argv = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)]
    if subprocess.run(argv, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        copy = Snapshot(place)
        copy.keep(full())
        copy.keep(replace(full(), now_ms=full().now_ms + EVERY_MS))
        found = files(place)
        assert not [name for name in found if name.endswith(".half")]
        assert all((place / name).read_bytes() == FILES[name[7:]] for name in found if "static/" in name)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text


def test_the_copy_of_a_service_in_trouble_is_marked_where_the_script_must_change_it(place: Path) -> None:
    copied(place)
    tags = parsed((place / "index.html").read_text())
    marked = [tag for tag, name, _ in tags.attributes if name == "data-now"]
    assert {"body", "section", "article", "span", "td"} == set(marked)
    assert ServiceState.MAJOR in (place / "index.html").read_text()


def test_each_piece_of_planned_work_has_its_page_and_a_hostile_name_has_none(place: Path) -> None:
    view = full()
    copied(place, view)
    for work in view.maintenances:
        html = (place / f"maintenances/{work.id}/index.html").read_text(encoding="utf-8")
        assert work.title in html
        assert "This is a copy, written at" in html
    strange = replace(view.maintenances[0], id="../outside")
    copied(place, replace(view, maintenances=(strange,)))
    assert not (place.parent / "outside").exists()
    assert not list(place.glob("maintenances/*/*"))
