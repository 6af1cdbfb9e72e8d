from __future__ import annotations

import pytest

from probes.host import memory
from tests.probes.targets import values, within

MEMINFO = """MemTotal:       16318932 kB
MemAvailable:    9000000 kB
Active(anon):       4096 kB
Committed_AS:       2048 kB
HugePages_Total:       7
Hugepagesize:       2048 kB
DirectMap2M:    16777216 kB
ANewLine:             12 kB
"""


def test_kilobytes_become_bytes_and_counts_stay_counts() -> None:
    assert values(memory.parse(MEMINFO)) == {
        "node_memory_MemTotal_bytes": 16318932 * 1024,
        "node_memory_MemAvailable_bytes": 9000000 * 1024,
        "node_memory_Active_anon_bytes": 4096 * 1024,
        "node_memory_Committed_AS_bytes": 2048 * 1024,
        "node_memory_HugePages_Total": 7,
        "node_memory_Hugepagesize_bytes": 2048 * 1024,
        "node_memory_DirectMap2M_bytes": 16777216 * 1024,
    }


def test_a_garbled_number_is_trouble_of_the_probe() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(memory.parse("MemTotal: lots kB\n"))


def test_this_host_has_memory_left() -> None:
    told = values(memory.PROBE.look(memory.PROBE.options())(within(5)))
    assert 0 < told["node_memory_MemAvailable_bytes"] <= told["node_memory_MemTotal_bytes"]
