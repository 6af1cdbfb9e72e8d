from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remediations.deeds.folders import Refused, below, opened
from remediations.deeds.in_use import Users, open_files
from remediations.deeds.removal import Bin, Spared, bin_in, move
from remediations.deeds.survey import Found, Wanted

LATE_NS = 1 << 62


class Swapper(Users):
    """At the last look before a file is taken, somebody else gets to work."""

    def __init__(self, swap: Callable[[], object]) -> None:
        super().__init__()
        self._swap = swap

    def uses(self, handle: int, facts: os.stat_result) -> bool:
        self._swap()
        return super().uses(handle, facts)


def found(path: Path) -> Found:
    facts = path.stat()
    return Found(facts.st_mtime_ns, (), path.name, facts.st_dev, facts.st_ino, 0)


@contextmanager
def broom(root: Path, swap: Callable[[], object] = lambda: None) -> Iterator[tuple[Bin, int]]:
    with opened(str(root)) as folder, bin_in(folder) as fd:
        yield Bin(fd, Wanted(("*",), (), LATE_NS), Swapper(swap)), folder


def left_in_bin(root: Path) -> list[str]:
    [private] = root.glob(".beforehand-*")
    return [one.name for one in private.iterdir()]


def test_a_file_that_is_as_it_was_seen_goes(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch()
    with broom(tmp_path) as (private, folder):
        private.take(folder, found(old))
    assert not old.exists()
    assert left_in_bin(tmp_path) == []


def put_other(old: Path, other: Path) -> None:
    old.rename(old.with_name("aside"))
    other.rename(old)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_was_put_in_its_place_goes_back_there(tmp_path: Path, kind: str) -> None:
    old, other = tmp_path / "old", tmp_path / "other"
    old.touch()
    if kind == "file":
        other.write_text("precious")
    elif kind == "folder":
        other.mkdir()
        (other / "precious").touch()
    elif kind == "link":
        other.symlink_to("/etc/passwd")
    else:
        os.mkfifo(other)
    ino = other.lstat().st_ino
    seen = found(old)
    with broom(tmp_path, lambda: put_other(old, other)) as (private, folder):
        with pytest.raises(Spared, match="changed while we looked"):
            private.take(folder, seen)
        assert private.strays == 0
    assert old.lstat().st_ino == ino
    assert (tmp_path / "aside").exists()
    assert left_in_bin(tmp_path) == []


def test_a_file_that_got_a_second_name_keeps_both(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch()
    link = broom(tmp_path, lambda: os.link(old, tmp_path / "second"))
    with link as (private, folder), pytest.raises(Spared):
        private.take(folder, found(old))
    assert old.stat().st_nlink == 2


def test_nothing_is_ever_moved_over_something(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with opened(str(tmp_path)) as folder, pytest.raises(FileExistsError):
        move(folder, "a", folder, "b")
    assert (tmp_path / "b").read_text() == "b"


def test_without_a_private_folder_only_a_folder_that_is_root_s_or_ours_is_cleaned(tmp_path: Path) -> None:
    old = tmp_path / "inner" / "old"
    old.parent.mkdir()
    old.touch()
    old.parent.chmod(0o777)
    private = Bin(None, Wanted(("*",), (), LATE_NS), Users())
    with opened(str(old.parent)) as folder, pytest.raises(Refused, match="may write"):
        private.take(folder, found(old))
    old.parent.chmod(0o755)
    with opened(str(old.parent)) as folder:
        private.take(folder, found(old))
    assert not old.exists()


def test_a_file_is_in_use_while_it_is_open_or_mapped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    handle = os.open(path, os.O_PATH)
    try:
        facts = os.fstat(handle)
        assert not Users().uses(handle, facts)
        with path.open("rb") as file:
            assert Users().uses(handle, facts)
            mapped = mmap.mmap(file.fileno(), 1, prot=mmap.PROT_READ)
        assert Users().uses(handle, facts)
        mapped.close()
        assert not Users().uses(handle, facts)
    finally:
        os.close(handle)
    assert signal.getsignal(signal.SIGIO) == signal.SIG_DFL, "nothing hears it; it must not be sent"


def test_where_no_lease_is_given_the_open_files_of_all_processes_are_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    facts = path.stat()
    users = Users()
    with path.open("rb") as file:
        assert (os.getpid(), file.fileno()) in [(one.pid, one.fd) for one in open_files()]
        assert users._seen(facts)
        os.close(os.open("/dev/null", os.O_RDONLY))
    assert users._seen(facts), "one walk has to do"
    missed: list[bool] = []
    assert list(open_files(lambda: missed.append(True)))
    assert Users()._seen(facts) is bool(missed), "what cannot be seen may be open"


def test_a_folder_below_is_reached_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with opened(str(tmp_path)) as root:
        with below(root, ["a"]) as folder:
            assert os.fstat(folder).st_ino == (tmp_path / "a").stat().st_ino
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"), below(root, ["link"]):
            pass
