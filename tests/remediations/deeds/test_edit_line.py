from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from model.deed import EditLine, RestoreFile, temporary_of
from remediations.deeds.edit_line import edited
from tests.remediations.deeds.disk import done

edit = partial(EditLine, "/x")


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        ("a\nb\n", edit(line="c"), "a\nb\nc\n"),
        ("a\nb", edit(line="c"), "a\nb\nc\n"),
        ("", edit(line="c"), "c\n"),
        ("a\nc\n", edit(line="c"), "a\nc\n"),
        ("x=1\nx=2\n", edit(line="x=3", regexp="^x="), "x=1\nx=3\n"),
        ("x=1\r\ny\r\n", edit(line="x=3", regexp="^x="), "x=3\r\ny\r\n"),
        ("x=1", edit(line="x=3", regexp="^x="), "x=3"),
        ("a\nx=3\nb\n", edit(line="x=3", regexp="^y="), "a\nx=3\nb\n"),
        ("[a]\n[b]\n", edit(line="k", after=r"^\[a\]"), "[a]\nk\n[b]\n"),
        ("[a]\n[b]\n", edit(line="k", before=r"^\[b\]"), "[a]\nk\n[b]\n"),
        ("[a]\n", edit(line="k", before="BOF"), "k\n[a]\n"),
        ("[a]\n", edit(line="k", after="EOF"), "[a]\nk\n"),
        ("[a]\n", edit(line="k", after="nowhere"), "[a]\nk\n"),
        ("a\nb\na\n", edit(line="a", gone=True), "b\n"),
        ("x1\ny\nx2\n", edit(regexp="^x", gone=True), "y\n"),
        ("a\x0cb\u2028c\n", edit(line="z"), "a\x0cb\u2028c\nz\n"),
    ],
)
def test_a_line_is_seen_to_as_in_ansible(before: str, step: EditLine, after: str) -> None:
    assert edited(before, step) == after
    assert edited(after, step) == after, "once more changes nothing"


def test_a_line_is_changed_in_the_file_and_brought_back(tmp_path: Path) -> None:
    path, keep = tmp_path / "app.conf", tmp_path / "keep"
    path.write_bytes(b"max=1\n\xff\xfe\n")
    step = EditLine(str(path), "max=2", "^max=")
    told = done(keep, step, days=0, check=True)
    assert "-max=1\n+max=2" in told.diff
    assert path.read_bytes() == b"max=1\n\xff\xfe\n"
    assert done(keep, step, days=0).changed
    assert path.read_bytes() == b"max=2\n\xff\xfe\n"
    assert not done(keep, step, days=0).changed
    assert done(keep, RestoreFile(str(path)), days=0).changed
    assert path.read_bytes() == b"max=1\n\xff\xfe\n"


def test_a_file_that_is_not_there_is_made_only_where_that_is_written(tmp_path: Path) -> None:
    path, keep = tmp_path / "app.conf", tmp_path / "keep"
    assert "is not there" in done(keep, EditLine(str(path), "a"), days=0).reason
    assert done(keep, EditLine(str(path), "a", gone=True), days=0).ok
    assert done(keep, EditLine(str(path), "a", create=True), days=0).changed
    assert path.read_text() == "a\n"
    assert done(keep, RestoreFile(str(path)), days=0).changed
    assert not path.exists()


def test_a_line_that_makes_the_file_invalid_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("good\n")
    judge = ("grep", "-q", "good", temporary_of(str(path)))
    result = done(tmp_path / "keep", EditLine(str(path), "bad", "good", validate=judge), days=0)
    assert not result.ok
    assert path.read_text() == "good\n"
