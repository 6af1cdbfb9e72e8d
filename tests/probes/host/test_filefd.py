from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import filefd
from tests.probes.host.seen import told


def test_open_files_are_told_with_their_limit(tmp_path: Path) -> None:
    assert told(filefd.PROBE, tmp_path, {"sys/fs/file-nr": "9\t0\t9223372036854775807\n"}) == {
        "node_filefd_allocated": 9,
        "node_filefd_maximum": 2.0**63,
    }


def test_a_table_of_another_form_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        told(filefd.PROBE, tmp_path, {"sys/fs/file-nr": "9\n"})
