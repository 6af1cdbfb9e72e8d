from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import softnet
from tests.probes.host.seen import told


def test_softnet_is_read_on_kernels_of_any_age(tmp_path: Path) -> None:
    old = told(
        softnet.PROBE, tmp_path, {"net/softnet_stat": "0000000a 1 2 0 0 0 0 0 0\nff 0 0 0 0 0 0 0 0\n"}
    )
    assert old['node_softnet_processed_total{cpu="0"}'] == 10
    assert old['node_softnet_processed_total{cpu="1"}'] == 255
    assert 'node_softnet_backlog_len{cpu="0"}' not in old
    # The second processor is out of use, so its line is missing, and the third says who it is.
    new = told(
        softnet.PROBE,
        tmp_path,
        {"net/softnet_stat": "1 0 0 0 0 0 0 0 0 0 0 0 0\n2 0 0 0 0 0 0 0 0 0 0 5 2\n"},
    )
    assert new['node_softnet_processed_total{cpu="2"}'] == 2
    assert new['node_softnet_backlog_len{cpu="2"}'] == 5


def test_a_missing_table_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        told(softnet.PROBE, tmp_path, {"other": ""})
