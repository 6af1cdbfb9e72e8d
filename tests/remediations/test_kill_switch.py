from __future__ import annotations

import os
from pathlib import Path

from remediations.kill_switch import KillSwitch


def test_the_switch_is_off_until_somebody_sets_it(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "STOP")
    assert switch.active() == ""
    switch.set("ada", "we are moving the database", 1)
    assert switch.active() == "stopped by ada: we are moving the database"
    assert KillSwitch(tmp_path / "STOP").active()
    assert switch.lift()
    assert switch.active() == ""
    assert not switch.lift()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_human_made_stops_as_well(tmp_path: Path) -> None:
    file = tmp_path / "STOP"
    file.touch()
    assert KillSwitch(file).active() == "stopped by a file that a human wrote"
    file.write_text("hands off\nplease")
    assert KillSwitch(file).active().endswith(": hands off please")
    file.write_text('{"by": 3, "because": ["x"]}')
    assert KillSwitch(file).active()
    file.write_bytes(b"\xff\x00" + b"[" * 100_000)
    assert KillSwitch(file).active()


def test_what_cannot_be_read_counts_as_set(tmp_path: Path) -> None:
    assert "is missing" in KillSwitch(tmp_path / "gone" / "STOP").active()
    folder = tmp_path / "STOP"
    folder.mkdir()
    assert "cannot be read" in KillSwitch(folder).active()
    link = tmp_path / "link"
    link.symlink_to("/nowhere")
    assert "cannot be read" in KillSwitch(link).active()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert KillSwitch(fifo).active()


def test_a_long_reason_is_cut_and_still_stops(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "STOP")
    switch.set("ada" * 1000, "because \x1b[31m" * 10_000, 1)
    assert switch.active().startswith("stopped by ada")
    assert "\x1b" not in switch.active()
