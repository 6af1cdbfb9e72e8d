from __future__ import annotations

from probes.host import load
from tests.probes.targets import values, within


def test_the_three_averages_of_this_host_are_told() -> None:
    told = values(load.PROBE.look(load.PROBE.options())(within(5)))
    assert set(told) == {"node_load1", "node_load5", "node_load15"}
    assert min(told.values()) >= 0
