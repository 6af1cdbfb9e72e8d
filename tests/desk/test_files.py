from __future__ import annotations

import os
from pathlib import Path

import pytest

from desk.files import read_bytes
from model.misfit import Place, Rejected
from model.yaml_tree import FILE_BYTES_MAX

LINE = Place("desk.yaml", 3, 1)


def test_a_file_is_read_up_to_one_byte_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (FILE_BYTES_MAX + 10))
    assert len(read_bytes(tmp_path / "a", LINE)) == FILE_BYTES_MAX + 1


def test_what_is_no_regular_file_is_refused_at_the_line_that_names_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), tmp_path / "gone"):
        with pytest.raises(Rejected, match=r"^desk\.yaml:3:1: "):
            read_bytes(path, LINE)
