from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from model.deed import FreeSpace, RemoveOld, RestoreHeld
from remediations.deeds import survey
from tests.remediations.deeds.disk import DAYS_MS, MIB, done, fill, free_part, small_disk
from tests.remediations.stage import wall_ms

WEEK_S = 7 * 86_400.0


def old_logs(root: Path, *patterns: str, keep: tuple[str, ...] = ()) -> tuple[RemoveOld, ...]:
    return (RemoveOld((str(root),), patterns or ("*",), keep, WEEK_S),)


def all_old(root: Path, *patterns: str, keep: tuple[str, ...] = (), hold_s: float = 0) -> FreeSpace:
    return FreeSpace(str(root), 1.0, old_logs(root, *patterns, keep=keep), hold_s)


@pytest.mark.needs("mkfs.ext4")
def test_a_full_disk_is_brought_to_the_target_and_the_broom_stops_there(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        logs = [
            fill(disk / "log" / f"app.log.{number}.gz", MIB, age_days=100 - number) for number in range(54)
        ]
        fill(disk / "data" / "orders", MIB)
        assert free_part(disk) < 0.06
        step = FreeSpace(str(disk), 0.1, old_logs(disk / "log"))
        told = done(tmp_path / "keep", step, check=True)
        assert all(log.exists() for log in logs)
        assert "would remove" in told.diff
        assert not told.changed

        result = done(tmp_path / "keep", step)
        assert result.ok, result.reason
        assert result.changed
        assert 0.1 <= free_part(disk) < 0.14
        gone = [log for log in logs if not log.exists()]
        assert gone == logs[: len(gone)], "the oldest go first"
        assert result.diff.splitlines()[0] == f"- {logs[0]} (1.0 MiB)"
        assert told.diff.splitlines()[0] == result.diff.splitlines()[0]

        again = done(tmp_path / "keep", step)
        assert again.ok
        assert not again.changed


@pytest.mark.needs("mkfs.ext4")
def test_a_disk_filled_by_something_else_is_left_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        fill(disk / "data" / "orders", 54 * MIB, age_days=100)
        (disk / "log").mkdir()
        result = done(tmp_path / "keep", FreeSpace(str(disk), 0.1, old_logs(disk / "log")))
        assert not result.ok
        assert not result.changed
        assert "nothing more may be removed" in result.reason
        assert "0 B lie in the folders that may be cleaned" in result.reason
        assert sorted(path.name for path in disk.rglob("*")) == ["data", "log", "lost+found", "orders"]


@pytest.mark.needs("mkfs.ext4")
def test_a_disk_without_a_single_inode_left_is_cleaned_all_the_same(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        log = disk / "log"
        log.mkdir()
        for number in range(4096):
            try:
                (log / f"{number}.gz").touch()
            except OSError:
                break
        assert os.statvfs(disk).f_ffree == 0
        result = done(tmp_path / "keep", all_old(log))
        assert result.ok, result.reason
        assert os.statvfs(disk).f_ffree > 1000


@pytest.mark.needs("mkfs.ext4")
def test_one_run_takes_no_more_than_a_fifth_of_the_filesystem(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        for number in range(50):
            fill(disk / "log" / f"{number}.gz", MIB, age_days=50)
        result = done(tmp_path / "keep", FreeSpace(str(disk), 0.5, old_logs(disk / "log")))
        assert not result.ok
        assert 36 < len(list((disk / "log").glob("*.gz"))) < 42
        assert "beyond what one run may remove" in result.output


def test_a_run_looks_at_so_many_entries_and_the_next_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "ENTRIES_MAX", 100)
    root = tmp_path / "cache"
    for number in range(300):
        fill(root / f"{number}.{'log' if number % 10 == 0 else 'txt'}", 10)
    outputs = [done(tmp_path / "keep", all_old(root, "*.log")).output for _ in range(5)]
    assert "the next run goes on from there" in outputs[0]
    assert list(root.glob("*.log")) == []
    assert len(list(root.glob("*.txt"))) == 270


def test_only_old_unshared_unused_regular_files_go(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    old = fill(root / "deep" / "er" / "old.log", 10, age_days=9)
    young = fill(root / "young.log", 10, age_days=-29)
    shared = fill(root / "shared.log", 10, age_days=9)
    os.link(shared, tmp_path / "elsewhere")
    used = fill(root / "used.log", 10, age_days=9)
    kept = fill(root / "important.log", 10, age_days=9)
    other = fill(root / "notes.txt", 10, age_days=9)
    database = fill(root / "state.db", 10, age_days=9)
    (root / "link.log").symlink_to(kept)
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "fifo.log")
    with socket.socket(socket.AF_UNIX) as end, used.open("rb"):
        end.bind(str(root / "sock.log"))
        result = done(tmp_path / "keep", all_old(root, "*.log", "*.db", keep=("important*",)))
    assert result.ok, result.reason
    assert not old.exists()
    assert all(one.exists() for one in (young, shared, used, kept, other, database))
    assert (root / "link.log").is_symlink()
    for reason in (
        "1 open by a process",
        "1 too young",
        "1 has other names",
        "2 kept by name",
        "no regular file",
    ):
        assert reason in result.output


def test_a_file_that_was_moved_or_touched_today_is_not_old_whatever_its_content_says(tmp_path: Path) -> None:
    old = fill(tmp_path / "cache" / "x.log", 10, age_days=400)
    result = done(tmp_path / "keep", all_old(old.parent), days=6)
    assert old.exists()
    assert "1 too young" in result.output


def test_a_temporary_file_that_was_read_lately_stays(tmp_path: Path) -> None:
    root = tmp_path / "tmp"
    read, unread = fill(root / "read", 10, age_days=9), fill(root / "unread", 10, age_days=9)
    os.utime(read, ns=((wall_ms() + 29 * DAYS_MS) * 1_000_000, read.stat().st_mtime_ns))
    done(tmp_path / "keep", FreeSpace(str(root), 1.0, (RemoveOld((str(root),), age_s=WEEK_S, unread=True),)))
    assert read.exists()
    assert not unread.exists()


def test_an_age_below_a_day_is_a_day_for_the_hand(tmp_path: Path) -> None:
    old = fill(tmp_path / "cache" / "x.log", 10, age_days=400)
    step = FreeSpace(str(old.parent), 1.0, (RemoveOld((str(old.parent),), age_s=0),))
    done(tmp_path / "keep", step, days=0.9)
    assert old.exists()
    done(tmp_path / "keep", step, days=1.1)
    assert not old.exists()


@pytest.mark.parametrize(
    "name", ["a\nb", "-rf", "x" * 255, "$(reboot)", "*", "\udcff\udc80", " ", "a'b\"c", "\x1b[31m", "\\"]
)
def test_a_hostile_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / "cache"
    root.mkdir()
    (root / name).touch()
    canary = fill(root / "canary.keep", 1)
    result = done(tmp_path / "keep", all_old(root, keep=("canary*",)))
    assert result.ok
    assert not (root / name).exists()
    assert canary.exists()
    assert all(line.isascii() and line.isprintable() for line in result.diff.splitlines())
    assert len(result.diff.splitlines()) == 1


@pytest.mark.parametrize(
    "root",
    ["/", "/etc", "/etc/ssl", "", ".", "//", "//tmp", "/proc", "/var/log/../../etc", "/var/lib/mysql",
     "/home", "/usr/share", "/srv/postgres", "/var/lib/docker/tmp", "/tmp/", "/tmp/./x",
        "/roo" + "t/.ssh/tmp",
     "relative"],
)  # fmt: skip
def test_a_root_that_carries_the_host_is_refused_by_the_deed_itself(tmp_path: Path, root: str) -> None:
    step = FreeSpace(str(tmp_path), 1.0, (RemoveOld((root,)),))
    result = done(tmp_path / "keep", step, check=True)
    assert "was left alone" in result.output
    assert "would remove" not in result.output


def test_a_root_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = fill(tmp_path / "real" / "x.log", 10)
    (tmp_path / "link").symlink_to(real.parent)
    (tmp_path / "way").symlink_to(tmp_path)
    for root in (tmp_path / "link", tmp_path / "way" / "real"):
        result = done(tmp_path / "keep", FreeSpace(str(tmp_path), 1.0, old_logs(root)))
        assert "no folder that can be opened" in result.output
    assert real.exists()


def test_a_root_on_another_filesystem_is_left_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        old = fill(disk / "x.log", 10)
        result = done(tmp_path / "keep", FreeSpace(str(tmp_path), 1.0, old_logs(disk)))
        assert "is on another filesystem" in result.output
        assert old.exists()


def test_what_is_mounted_below_a_root_is_not_entered_even_from_the_same_filesystem(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        foreign = fill(disk / "foreign" / "x.log", 10)
        inner = disk / "log" / "inner"
        inner.mkdir(parents=True)
        os.system(f"mount --bind {disk}/foreign {inner}")
        try:
            result = done(tmp_path / "keep", all_old(disk / "log"))
        finally:
            os.system(f"umount {inner}")
        assert foreign.exists()
        assert "1 mounted there" in result.output


def test_what_is_held_comes_back_by_undo_and_goes_for_good_when_its_time_is_over(tmp_path: Path) -> None:
    root, keep = tmp_path / "cache", tmp_path / "keep"
    first, second = fill(root / "a" / "one.log", 10), fill(root / "two.log", 20)
    step = all_old(root, hold_s=3600)
    assert done(keep, step).changed
    assert not first.exists()
    assert not second.exists()
    second.write_text("new")
    result = done(keep, RestoreHeld())
    assert result.ok, result.reason
    assert first.read_bytes() == b"x" * 10
    assert second.read_text() == "new", "what came in its place is not written over"
    assert (root / "two.log.1").read_bytes() == b"x" * 20
    assert done(keep, RestoreHeld()).output.startswith("put back 0 files")

    done(keep, step, run="r2")
    assert len(list(root.glob(".beforehand-*/*"))) == 3
    done(keep, step, days=31, run="r3")
    assert list(root.glob(".beforehand-*/*")) == []
    assert done(keep, RestoreHeld(), run="r2").output.startswith("put back 0 files; 3")


def test_an_undo_of_a_run_that_held_nothing_is_well(tmp_path: Path) -> None:
    assert done(tmp_path / "keep", RestoreHeld(), run="never").ok


def test_a_private_folder_that_somebody_else_made_is_not_used(tmp_path: Path) -> None:
    old = fill(tmp_path / "cache" / "x.log", 10)
    trap = old.parent / f".beforehand-{os.geteuid()}"
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    result = done(tmp_path / "keep", all_old(old.parent))
    assert "somebody else made" in result.output
    assert old.exists()


def test_the_kill_switch_stops_the_broom(tmp_path: Path) -> None:
    old = fill(tmp_path / "cache" / "x.log", 10)
    result = done(tmp_path / "keep", all_old(old.parent), stopped="stopped by ada")
    assert result.stopped == "stopped by ada"
    assert old.exists()


def test_very_many_files_are_looked_at_and_ten_thousand_go_at_most(tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(20_000):
        os.close(os.open(f"{root}/{number}", os.O_CREAT | os.O_WRONLY))
    result = done(tmp_path / "keep", all_old(root))
    assert result.ok
    assert sum(1 for _ in os.scandir(root)) == 10_000 + 1
    assert "removed 10000 of 20000 old files" in result.output
