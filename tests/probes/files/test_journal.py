from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline, Look
from probes.files import journal
from probes.files.journal import Entry, Options, Unreadable, distance, entries
from tests.probes.files.scene import Seen

WRITER = "/usr/lib/systemd/systemd-journal-remote"
journald = pytest.mark.needs("journalctl")
writing = pytest.mark.skipif(not Path(WRITER).exists(), reason="needs systemd-journal-remote")


def entry(number: int, message: bytes, priority: int = 6, **fields: str) -> bytes:
    """Return one entry in the journal's export format."""
    more = {"PRIORITY": str(priority), "_TRANSPORT": "journal", **fields}
    lines = [
        f"__REALTIME_TIMESTAMP={1_700_000_000_000_000 + number * 1000}",
        f"__MONOTONIC_TIMESTAMP={number}",
    ]
    lines += [
        "_BOOT_ID=0123456789abcdef0123456789abcdef",
        *(f"{name}={value}" for name, value in more.items()),
    ]
    return "\n".join(lines).encode() + b"\nMESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n\n"


class Journal:
    """A folder with a journal in it, made by systemd's own writer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def write(self, *told: tuple[bytes, int, str]) -> None:
        """Append entries: a message, its priority and its unit."""
        text = b"".join(
            entry(self.number + place, message, priority, _SYSTEMD_UNIT=unit)
            for place, (message, priority, unit) in enumerate(told)
        )
        self.append(text, len(told))

    def append(self, export: bytes, count: int) -> None:
        self.number += count
        argv = [WRITER, "--compress=no", f"--output={self.folder}/system.journal", "-"]
        subprocess.run(argv, input=export, check=True, capture_output=True, timeout=60)

    def looking(self, more: str = "patterns: [{pattern: Down, regex: down}]") -> Look:
        return journal.begin(decode(f"{{directory: {self.folder}, {more}}}".encode(), "f", Options))


@pytest.fixture
def files(tmp_path: Path) -> Journal:
    made = Journal(tmp_path)
    made.write((b"down long ago", 3, "web.service"))
    return made


def look(one: Look) -> Seen:
    return Seen(tuple(one(Deadline(time.monotonic() + 30, time.monotonic))))


@journald
@writing
def test_old_entries_are_not_counted_and_new_ones_are_once(files: Journal) -> None:
    one = files.looking()
    assert look(one).matches("Down") == 0
    assert look(one).matches("Down") == 0
    files.write((b"it went down", 3, "web.service"), (b"well", 6, "web.service"), (b"down", 4, "db.service"))
    seen = look(one)
    assert seen.matches("Down") == 2
    assert seen['beforehand_log_lines_total{path="journal"}'] == 3
    assert seen.remarks == [('{pattern="Down"}', "down")]
    assert seen['beforehand_journal_entries_total{path="journal", priority="err"}'] == 1
    assert seen['beforehand_journal_entries_total{path="journal", priority="crit"}'] == 0
    assert look(one).matches("Down") == 2


@journald
@writing
def test_only_the_units_and_priorities_that_are_named_are_read(files: Journal) -> None:
    one = files.looking("units: [db.service], priority: warning, patterns: [{pattern: Down, regex: down}]")
    look(one)
    files.write((b"down", 6, "db.service"), (b"down", 3, "web.service"), (b"down 1", 3, "db.service"))
    seen = look(one)
    assert seen.matches("Down") == 1
    assert seen['beforehand_log_lines_total{path="journal db.service"}'] == 1


@journald
@writing
def test_the_kernels_troubles_are_counted_alike(files: Journal) -> None:
    one = files.looking("kernel: true")
    assert look(one).matches("OOMKilling") == 0
    message = b"Out of memory: Killed process 812 (java) total-vm:9123kB, anon-rss:80kB"
    files.append(entry(5, message, _TRANSPORT="kernel") + entry(6, message, _TRANSPORT="journal"), 2)
    assert look(one).matches("OOMKilling") == 1


@journald
@writing
def test_a_journal_that_had_no_such_entry_yet_is_read_from_its_first(files: Journal) -> None:
    one = files.looking("units: [new.service], patterns: [{pattern: Down, regex: down}]")
    look(one)
    files.write((b"down 1", 3, "new.service"), (b"down 2", 3, "new.service"))
    assert look(one).matches("Down") == 2
    files.write((b"down 3", 3, "new.service"))
    assert look(one).matches("Down") == 3


@journald
@writing
def test_huge_and_binary_messages_do_not_stop_the_reading(files: Journal) -> None:
    one = files.looking()
    look(one)
    files.write(
        (b"\xff\xfe\x00down\x1b[31m", 3, "web.service"),
        (b"x" * 3_000_000 + b" down", 3, "web.service"),
        (b"y" * 10_000 + b" down\nin two lines", 3, "web.service"),
    )
    seen = look(one)
    assert seen['beforehand_log_lines_total{path="journal"}'] == 3
    assert seen.matches("Down") == 2  # the huge one is counted as an entry alone


@journald
@writing
def test_more_entries_than_one_look_takes_are_passed_over_and_counted(
    files: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ENTRIES_MAX", 10)
    monkeypatch.setattr(journal, "PAGES_MAX", 3)
    one = files.looking()
    look(one)
    files.write(*[(b"down", 3, "web.service")] * 100)
    seen = look(one)
    taken = seen['beforehand_log_lines_total{path="journal"}']
    assert 30 <= taken <= 33
    assert seen['beforehand_log_dropped_lines_total{path="journal"}'] == 100 - taken
    files.write((b"down", 3, "web.service"))
    assert look(one).matches("Down") == taken + 1


@journald
@writing
def test_a_journal_that_was_rotated_and_cleaned_away_is_read_on(files: Journal) -> None:
    one = files.looking()
    look(one)
    (files.folder / "system.journal").rename(files.folder / "system@1.journal")
    files.write((b"down 1", 3, "web.service"))
    assert look(one).matches("Down") == 1
    (files.folder / "system@1.journal").unlink()
    (files.folder / "system.journal").unlink()
    files.write((b"down 2", 3, "web.service"))
    assert look(one).matches("Down") == 2


@journald
def test_a_journal_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    one = Journal(tmp_path / "nowhere").looking()
    with pytest.raises(Unreadable, match="journalctl failed"):
        look(one)


def told(*values: object) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def test_entries_are_read_in_each_form_that_journalctl_has_for_a_message() -> None:
    def messages(*found: object) -> Iterable[str | None]:
        return [one.text for one in entries(told(*({"__CURSOR": "c", "MESSAGE": value} for value in found)))]

    assert messages("a", [100, 255], ["x", [121]], None, 5) == ["a", "d\ufffd", "x\ny", None, None]
    assert list(entries(told({"__CURSOR": "c"}))) == [Entry("c", "none", "")]


def test_what_is_no_entry_is_left_out() -> None:
    cut = told({"__CURSOR": "c", "PRIORITY": "3", "MESSAGE": "a"}) + b'\n{"__CURSOR": "d", "MESS'
    assert list(entries(cut)) == [Entry("c", "err", "a")]
    assert list(entries(told([1], "x", {"MESSAGE": "a"}, {"__CURSOR": 1}))) == []


def test_the_distance_of_two_cursors_is_told_where_they_belong_together() -> None:
    assert distance("s=ab;i=a;b=1", "s=ab;i=1e;b=1") == 20
    assert distance("s=ab;i=a;b=1", "s=cd;i=1e;b=1") == 0
    assert distance("", "s=cd;i=1e;b=1") == 0


@pytest.mark.parametrize(
    "options", ["{units: ['--file=/etc/passwd x']}", "{priority: loud}", "{kernel: true, units: [a.service]}"]
)
def test_options_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(Rejected):
        decode(options.encode(), "f", Options)
