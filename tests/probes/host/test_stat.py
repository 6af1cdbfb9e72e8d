from __future__ import annotations

from probes.host import stat
from tests.probes.targets import values, within

STAT = """cpu  30 0 30 300 3 0 0 0 0 0
cpu0 10 1 12 100 2 3 4 5 6 7
intr 500 1 2 3
ctxt 700
btime 1700000000
processes 900
procs_running 3
procs_blocked 1
softirq 11 1 2
"""


def test_each_total_is_told_in_node_exporters_name() -> None:
    assert values(stat.parse(STAT)) == {
        "node_intr_total": 500,
        "node_context_switches_total": 700,
        "node_boot_time_seconds": 1_700_000_000,
        "node_forks_total": 900,
        "node_procs_running": 3,
        "node_procs_blocked": 1,
    }


def test_a_line_that_a_kernel_lacks_is_left_out() -> None:
    assert values(stat.parse("ctxt 700\n")) == {"node_context_switches_total": 700}


def test_this_host_was_booted_before_now() -> None:
    told = values(stat.PROBE.look(stat.PROBE.options())(within(5)))
    assert told["node_boot_time_seconds"] > 1_000_000_000
    assert told["node_forks_total"] > 0
