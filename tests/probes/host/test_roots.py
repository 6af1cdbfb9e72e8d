from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Misfit, Rejected
from probes.host.chosen import chosen
from probes.host.diskstats import Options as Disks
from probes.host.roots import PROCFS, Tree
from probes.pattern import Pattern


def test_where_the_trees_are_mounted_can_be_said() -> None:
    read = decode(b"{procfs: /host/proc, rootfs: /host}", "f", Disks)
    assert (read.procfs / "stat", read.rootfs.path) == (Path("/host/proc/stat"), Path("/host"))
    with pytest.raises(Rejected, match="f:1:10: 'proc' is not an absolute path"):
        decode(b"{procfs: proc}", "f", Disks)


def test_a_table_that_comes_in_pieces_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"x" * 200_000)
    assert len(Tree(tmp_path).text("table")) == 200_000


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OverflowError, match="has more than"):
        Tree(Path("/dev")).text("zero")


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"caf\xe9\n")
    assert Tree(tmp_path).text("a") == "caf\ufffd\n"
    assert Tree(tmp_path).attribute("a") == "caf\ufffd"


def test_an_attribute_that_is_not_told_is_none_and_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    tree = Tree(tmp_path)
    assert tree.attribute("gone") is None
    assert tree.attribute("empty/below") is None
    assert tree.attribute("empty") == ""
    assert tree.number("empty") is None
    assert tree.text_if_any("gone") == ""
    assert tree.names("gone") == []
    assert PROCFS.attribute("self/mem") is None  # reading there fails with EIO


def test_a_pipe_in_place_of_an_attribute_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert Tree(tmp_path).attribute("pipe") == ""


def test_trouble_of_our_own_is_not_taken_for_silence(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        Tree(tmp_path).attribute("n" * 300)


def test_numbers_are_read_in_the_forms_that_drivers_use(tmp_path: Path) -> None:
    for name, text in (("hex", "0x1003"), ("negative", "-1"), ("words", "many")):
        (tmp_path / name).write_text(f"{text}\n")
    tree = Tree(tmp_path)
    assert (tree.number("hex"), tree.number("negative")) == (0x1003, -1)
    with pytest.raises(ValueError, match="invalid literal"):
        tree.number("words")


def test_only_one_of_two_opposite_patterns_may_be_given() -> None:
    loops = Pattern("^loop")
    assert "sda" in chosen(None, None, loops, "device_exclude")
    assert "loop0" not in chosen(None, None, loops, "device_exclude")
    assert "loop0" in chosen(None, Pattern("^sd"), loops, "device_exclude")
    assert "sda" not in chosen(loops, None, loops, "device_exclude")
    with pytest.raises(Misfit, match="keep one of the two"):
        chosen(loops, loops, None, "device_exclude")
    with pytest.raises(Rejected, match="f:1:25: device_exclude makes no sense beside its counterpart"):
        decode(b"{device_include: '^sd', device_exclude: loop}", "f", Disks)
