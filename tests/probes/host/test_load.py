from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import load
from tests.probes.host.seen import told
from tests.probes.targets import values, within


def test_the_three_averages_of_this_host_are_told() -> None:
    told = values(load.PROBE.look(load.PROBE.options())(within(5)))
    assert set(told) == {"node_load1", "node_load5", "node_load15"}
    assert min(told.values()) >= 0


def test_the_load_is_read_where_the_host_has_its_proc(tmp_path: Path) -> None:
    assert told(load.PROBE, tmp_path, {"loadavg": "0.5 1 15.25 2/700 1\n"}) == {
        "node_load1": 0.5,
        "node_load5": 1,
        "node_load15": 15.25,
    }


def test_a_missing_table_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        told(load.PROBE, tmp_path, {"other": ""})
