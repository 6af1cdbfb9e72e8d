from __future__ import annotations

from pathlib import Path

from probes.host import kernel_hung
from tests.probes.host.seen import told


def test_hung_tasks_are_told_where_the_kernel_counts_them(tmp_path: Path) -> None:
    assert told(kernel_hung.PROBE, tmp_path, {"stat": ""}) == {}
    assert told(kernel_hung.PROBE, tmp_path, {"sys/kernel/hung_task_detect_count": "2\n"}) == {
        "node_kernel_hung_tasks_total": 2
    }
