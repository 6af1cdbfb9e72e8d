from __future__ import annotations

from pathlib import Path

from probes.host import schedstat
from tests.probes.host.seen import told


def test_times_of_the_scheduler_are_told_where_the_kernel_has_them(tmp_path: Path) -> None:
    assert told(schedstat.PROBE, tmp_path, {"stat": ""}) == {}
    text = "version 15\ncpu0 0 0 0 0 0 0 2000000000 500000000 7\ndomain0 3 1 2 3\n"
    assert told(schedstat.PROBE, tmp_path, {"schedstat": text}) == {
        'node_schedstat_running_seconds_total{cpu="0"}': 2,
        'node_schedstat_waiting_seconds_total{cpu="0"}': 0.5,
        'node_schedstat_timeslices_total{cpu="0"}': 7,
    }
