from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import vmstat
from tests.probes.host.seen import told


def test_counts_of_64_bits_are_told_as_they_are_and_never_rated(tmp_path: Path) -> None:
    wrapped = told(
        vmstat.PROBE, tmp_path, {"vmstat": "pgfault 18446744073709551615\npgpgin 9007199254740993\n"}
    )
    assert wrapped == {"node_vmstat_pgfault": 2.0**64, "node_vmstat_pgpgin": 2.0**53}
    begun_anew = told(vmstat.PROBE, tmp_path, {"vmstat": "pgfault 3\n"})
    assert begun_anew == {"node_vmstat_pgfault": 3}


def test_an_unknown_line_of_vmstat_is_left_out_and_a_garbled_one_is_trouble(tmp_path: Path) -> None:
    assert told(vmstat.PROBE, tmp_path, {"vmstat": "nr_free_pages 7\noom_kill 2\n"}) == {
        "node_vmstat_oom_kill": 2
    }
    with pytest.raises(ValueError, match="invalid literal"):
        told(vmstat.PROBE, tmp_path, {"vmstat": "oom_kill some\n"})


def test_a_missing_table_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        told(vmstat.PROBE, tmp_path, {"other": ""})
