from __future__ import annotations

import pytest

from probes.host import cpu
from tests.probes.targets import values, within

STAT = """cpu  30 0 30 300 3 0 0 0 0 0
cpu0 10 1 12 100 2 3 4 5 6 7
cpu7 20 0 18 200 1 0 0 0 0 0
intr 5 1
ctxt 7
"""


def test_each_processor_and_mode_is_a_series_in_seconds() -> None:
    told = values(cpu.samples(cpu.parse(STAT, ticks_per_s=100)))
    assert told['node_cpu_seconds_total{cpu="0", mode="user"}'] == 0.1
    assert told['node_cpu_seconds_total{cpu="0", mode="steal"}'] == 0.05
    assert told['node_cpu_guest_seconds_total{cpu="0", mode="nice"}'] == 0.07
    assert told['node_cpu_seconds_total{cpu="7", mode="idle"}'] == 2.0
    assert len(told) == 20


def test_an_old_kernel_with_fewer_modes_is_read() -> None:
    told = values(cpu.samples(cpu.parse("cpu0 10 1 12 100\n", ticks_per_s=100)))
    assert list(told) == [
        f'node_cpu_seconds_total{{cpu="0", mode="{m}"}}' for m in ("user", "nice", "system", "idle")
    ]


def test_a_small_step_back_of_iowait_does_not_look_like_a_reset() -> None:
    assert cpu.held({"0": (10.0, 5.0)}, {"0": (11.0, 4.99)}) == {"0": (11.0, 5.0)}


def test_a_processor_that_came_back_starts_anew() -> None:
    assert cpu.held({"0": (100.0,)}, {"0": (1.0,), "1": (2.0,)}) == {"0": (1.0,), "1": (2.0,)}


def test_this_host_tells_its_processors() -> None:
    told = values(cpu.PROBE.look(cpu.PROBE.options())(within(5)))
    assert told['node_cpu_seconds_total{cpu="0", mode="user"}'] > 0
    again = values(cpu.PROBE.look(cpu.PROBE.options())(within(5)))
    assert all(again[series] >= value for series, value in told.items())


def test_a_garbled_table_is_trouble_of_the_probe() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        cpu.parse("cpu0 ten 1\n", ticks_per_s=100)
