from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from model.deed import RestoreFile, WriteFile, temporary_of
from model.step import Result
from tests.remediations.deeds.disk import done


def written(tmp_path: Path, step: WriteFile | RestoreFile, *, check: bool = False) -> Result:
    return done(tmp_path / "keep", step, days=0, check=check)


def test_a_file_is_made_changed_and_brought_back_version_by_version(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    made = written(tmp_path, WriteFile(str(path), content="one\n", mode=0o640))
    assert made.ok, made.reason
    assert made.changed
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not written(tmp_path, WriteFile(str(path), content="one\n")).changed

    changed = written(tmp_path, WriteFile(str(path), content="two\n", mode=0o600))
    assert "-one\n+two" in changed.diff
    assert "mode of" in changed.diff
    assert "0640 becomes 0600" in changed.diff

    assert written(tmp_path, RestoreFile(str(path))).changed
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("one\n", 0o640)
    assert written(tmp_path, RestoreFile(str(path))).changed
    assert not path.exists()
    assert not written(tmp_path, RestoreFile(str(path))).changed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["keep"]


def test_a_check_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("password=hunter2\na\n")
    result = written(tmp_path, WriteFile(str(path), content="password=hunter3\nb\n"), check=True)
    assert result.ok
    assert not result.changed
    assert result.diff.endswith("-password=[hidden]\n-a\n+password=[hidden]\n+b")
    assert "hunter" not in result.diff
    assert path.read_text() == "password=hunter2\na\n"


def test_a_version_that_is_not_valid_never_takes_the_name(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("good\n")
    judge = ("grep", "-q", "good", temporary_of(str(path)))
    result = written(tmp_path, WriteFile(str(path), content="bad\n", validate=judge))
    assert not result.ok
    assert "not valid: it ended with exit code 1" in result.reason
    assert path.read_text() == "good\n"
    assert [one.name for one in tmp_path.iterdir()] == ["app.conf"]
    assert written(tmp_path, WriteFile(str(path), content="good too\n", validate=judge)).changed


def test_a_file_is_removed_and_an_undo_brings_it_back_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "flag"
    path.write_bytes(b"\xff\x00")
    path.chmod(0o604)
    assert written(tmp_path, WriteFile(str(path), "absent")).changed
    assert not path.exists()
    assert not written(tmp_path, WriteFile(str(path), "absent")).changed
    assert written(tmp_path, RestoreFile(str(path))).changed
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"\xff\x00", 0o604)


def test_a_touch_makes_a_file_or_renews_its_time(tmp_path: Path) -> None:
    path = tmp_path / "stamp"
    assert written(tmp_path, WriteFile(str(path), "touch")).changed
    os.utime(path, (1, 1))
    assert written(tmp_path, WriteFile(str(path), "touch"), check=True).ok
    assert path.stat().st_mtime == 1
    assert written(tmp_path, WriteFile(str(path), "touch")).changed
    assert path.stat().st_mtime > 1


def test_what_somebody_changed_after_us_is_not_undone(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("old\n")
    written(tmp_path, WriteFile(str(path), content="ours\n"))
    path.write_text("theirs\n")
    result = written(tmp_path, RestoreFile(str(path)))
    assert not result.ok
    assert "somebody changed" in result.reason
    assert path.read_text() == "theirs\n"


def test_a_change_that_was_noted_and_never_made_needs_no_undo_and_hides_none(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("old\n")
    written(tmp_path, WriteFile(str(path), content="first\n"))
    written(tmp_path, WriteFile(str(path), content="second\n"))
    path.write_text("first\n")  # as a kill between the second note and its change leaves it
    result = written(tmp_path, RestoreFile(str(path)))
    assert (result.ok, result.changed) == (True, False)
    assert written(tmp_path, RestoreFile(str(path))).changed
    assert path.read_text() == "old\n"


def test_only_mode_and_owner_may_be_set_but_not_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    assert "it is not there" in written(tmp_path, WriteFile(str(path), mode=0o600)).reason
    path.write_text("x")
    assert written(tmp_path, WriteFile(str(path), mode=0o600)).changed
    assert path.read_text() == "x"
    assert "there is no user nemo" in written(tmp_path, WriteFile(str(path), owner="nemo")).reason
    assert "there is no group nemo" in written(tmp_path, WriteFile(str(path), group="nemo")).reason
    if os.geteuid() == 0:
        assert written(tmp_path, WriteFile(str(path), owner="nobody")).changed
        assert path.owner() == "nobody"
        assert written(tmp_path, RestoreFile(str(path))).changed
        assert path.owner() == "root"


def test_nothing_is_written_through_a_link_or_over_what_is_no_plain_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("safe")
    (tmp_path / "link").symlink_to(target)
    os.link(target, tmp_path / "second")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    for name in ("link", "second", "fifo", "folder", "way/x"):
        result = written(tmp_path, WriteFile(str(tmp_path / name), content="evil"))
        assert not result.ok, name
        assert "was left as it is" in result.reason
    assert target.read_text() == "safe"


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    result = written(tmp_path, WriteFile(str(folder / "x"), content="x"))
    assert "others than its owner may write" in result.reason


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/sudoers", "/etc/sudoers.d/x", "/etc/pam.d/sshd", "/roo" + "t/.ssh/authorized_keys",
     "/proc/x", "/sys/x", "/dev/sda", "/etc/beforehand/STOP", "/", "relative", "/tmp/../etc/shadow",
     "/etc//shadow", ""],
)  # fmt: skip
def test_what_decides_who_may_do_what_is_never_written_to(tmp_path: Path, path: str) -> None:
    assert not written(tmp_path, WriteFile(path, content="x"), check=True).ok


def test_what_a_killed_attempt_left_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    Path(temporary_of(str(path))).symlink_to("/etc/passwd")
    assert written(tmp_path, WriteFile(str(path), content="x")).ok
    assert not path.is_symlink()
    assert path.read_text() == "x"
