"""Without a mail server, letters are kept as files that staff can read."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from desk.channels import CHANNELS, mailbox
from desk.channels.mailbox import Options, letter, letters
from model.plugin import Deadline, DeadlinePassed, Undelivered
from tests.desk.delivery.test_mime import MESSAGE, SENDER


def soon() -> Deadline:
    return Deadline(time.monotonic() + 5, time.monotonic)


def test_the_channels_are_listed() -> None:
    assert mailbox.CHANNEL in CHANNELS


def test_a_second_try_replaces_the_first(tmp_path: Path) -> None:
    line = mailbox.CHANNEL.open(Options(str(tmp_path), SENDER))
    assert line.say(MESSAGE, soon()) == line.say(MESSAGE, soon())
    line.close()
    [one] = letters(tmp_path)
    assert (one.to, one.subject, one.written_ms) == (MESSAGE.to, MESSAGE.subject, MESSAGE.written_ms)
    assert one.text == MESSAGE.text
    assert letter(tmp_path, one.id) == one


def test_the_newest_letter_is_first(tmp_path: Path) -> None:
    line = mailbox.CHANNEL.open(Options(str(tmp_path), SENDER))
    for number in (9, 10, 11):
        line.say(replace(MESSAGE, id=f"<{number}@x>", written_ms=number), soon())
    assert [one.written_ms for one in letters(tmp_path)] == [11, 10, 9]


@pytest.mark.parametrize("name", ["", "..", "../secret.desk", "none.desk", "x"])
def test_no_other_file_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.desk").write_text("x")
    (tmp_path / "new").mkdir()
    assert letter(tmp_path, name) is None


def test_a_directory_that_cannot_be_written_concerns_everybody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = mailbox.CHANNEL.open(Options(str(tmp_path / "file"), SENDER))
    with pytest.raises(Undelivered) as fact:
        line.say(MESSAGE, soon())
    assert fact.value.everybody


def test_nothing_is_written_after_the_deadline(tmp_path: Path) -> None:
    line = mailbox.CHANNEL.open(Options(str(tmp_path), SENDER))
    with pytest.raises(DeadlinePassed):
        line.say(MESSAGE, Deadline(time.monotonic() - 1, time.monotonic))
