from __future__ import annotations

from pathlib import Path

from probes.host import cpufreq
from tests.probes.host.seen import told


def test_clocks_are_told_in_hertz_and_the_governor_by_name(tmp_path: Path) -> None:
    folder = "devices/system/cpu"
    files = {
        f"{folder}/cpu10/cpufreq/scaling_cur_freq": "1600000",
        f"{folder}/cpu10/cpufreq/scaling_governor": "powersave",
        f"{folder}/cpu10/cpufreq/scaling_available_governors": "performance powersave ",
        f"{folder}/cpu2/topology/core_id": "0",
        f"{folder}/cpufreq/boost": "1",
    }
    assert told(cpufreq.PROBE, tmp_path, files) == {
        'node_cpu_scaling_frequency_hertz{cpu="10"}': 1.6e9,
        'node_cpu_scaling_governor{cpu="10", governor="performance"}': 0,
        'node_cpu_scaling_governor{cpu="10", governor="powersave"}': 1,
    }
