"""A file is believed only where nobody but root and this user could have written it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from model.misfit import Rejected
from remediations.apart.trusted import read_secret, read_trusted

OTHERS = (0, 0o020, 0o002, 0o022)


def written(folder: Path) -> Path:
    file = folder / "etc" / "rules.yml"
    file.parent.mkdir(mode=0o755)
    file.write_text("a: b\n")
    file.chmod(0o644)
    return file


def cure(path: Path) -> str:
    with pytest.raises(Rejected) as refused:
        read_trusted(path, 100)
    return str(refused.value)


def test_a_file_of_ours_is_read_and_its_excess_shows(tmp_path: Path) -> None:
    file = written(tmp_path)
    assert read_trusted(file, 100) == b"a: b\n"
    assert read_trusted(file, 2) == b"a: "


@pytest.mark.parametrize(("of_file", "of_folder"), list(itertools.product(OTHERS, OTHERS)))
@pytest.mark.parametrize("above", OTHERS)
def test_what_others_may_write_is_refused(tmp_path: Path, of_file: int, of_folder: int, above: int) -> None:
    file = written(tmp_path)
    file.chmod(0o644 | of_file)
    file.parent.chmod(0o755 | of_folder)
    tmp_path.chmod(0o700 | above)
    if not (of_file | of_folder | above):
        assert read_trusted(file, 100) == b"a: b\n"
        return
    wrong = tmp_path if above else file.parent if of_folder else file
    assert cure(file) == f"{wrong}:1:1: others than its owner may write here; run chmod go-w {wrong}"


@pytest.mark.needs("root")
def test_what_belongs_to_another_user_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path)
    for path in (file, file.parent):
        os.chown(path, 65534, -1)
        assert cure(file).startswith(f"{path}:1:1: this belongs to another user than root; run chown root")
        os.chown(path, 0, -1)
    assert read_trusted(file, 100)


def test_a_sticky_folder_of_everybody_passes(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.parent.chmod(0o1777)
    assert read_trusted(file, 100)


def test_links_are_not_followed(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "link.yml").symlink_to(file)
    (tmp_path / "folder").symlink_to(file.parent)
    for path in (tmp_path / "link.yml", tmp_path / "folder" / "rules.yml"):
        assert "this is a link" in cure(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in cure(tmp_path / "fifo")
    assert "No such file" in cure(tmp_path / "none" / "x")
    for path in (Path("relative"), Path("/etc/../etc/passwd"), Path("/")):
        assert "not the absolute path of a file" in cure(path)


@pytest.mark.parametrize("others", [0o040, 0o004, 0o010, 0o001])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, others: int) -> None:
    file = written(tmp_path)
    file.chmod(0o400)
    assert read_secret(file, 100) == b"a: b\n"
    file.chmod(0o600 | others)
    with pytest.raises(Rejected) as refused:
        read_secret(file, 100)
    assert str(refused.value) == f"{file}:1:1: others than its owner may read this; run chmod 600 {file}"
    assert read_trusted(file, 100) == b"a: b\n"
