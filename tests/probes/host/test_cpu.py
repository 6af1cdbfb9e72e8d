from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import cpu
from probes.host.roots import Tree
from tests.probes.host.exporter import plant
from tests.probes.host.seen import told
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
    look = cpu.PROBE.look(cpu.PROBE.options())
    told = values(look(within(5)))
    assert told['node_cpu_seconds_total{cpu="0", mode="user"}'] > 0
    again = values(look(within(5)))
    assert all(again[series] >= value for series, value in told.items())


def test_a_garbled_table_is_trouble_of_the_probe() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        cpu.parse("cpu0 ten 1\n", ticks_per_s=100)


def test_cores_that_share_a_counter_are_counted_once(tmp_path: Path) -> None:
    folder = "devices/system/cpu"
    files = {"stat": "cpu  0 0 0 0\ncpu0 0 0 0 0\nbtime 1\n"}
    for name, core in (("cpu0", "0"), ("cpu1", "1"), ("cpu2", "0"), ("cpu3", "1")):
        files[f"{folder}/{name}/topology/physical_package_id"] = "0"
        files[f"{folder}/{name}/topology/core_id"] = core
        files[f"{folder}/{name}/thermal_throttle/core_throttle_count"] = str(5 + int(core))
        files[f"{folder}/{name}/thermal_throttle/package_throttle_count"] = "30"
    found = told(cpu.PROBE, tmp_path, files)
    assert {key: value for key, value in found.items() if "throttles" in key} == {
        'node_cpu_core_throttles_total{core="0", package="0"}': 5,
        'node_cpu_core_throttles_total{core="1", package="0"}': 6,
        'node_cpu_package_throttles_total{package="0"}': 30,
    }


def test_processors_that_are_out_of_use_or_kept_apart_are_told(tmp_path: Path) -> None:
    folder = "devices/system/cpu"
    files = {
        "stat": "cpu  0 0 0 0\ncpu0 0 0 0 0\nbtime 1\n",
        f"{folder}/cpu0/online": "1",
        f"{folder}/online": "0",
    }
    found = told(
        cpu.PROBE, tmp_path, {**files, f"{folder}/cpu1/online": "0", f"{folder}/isolated": "2-3,5\n"}
    )
    assert [found[f'node_cpu_online{{cpu="{n}"}}'] for n in (0, 1)] == [1, 0]
    assert {key for key in found if "isolated" in key} == {
        f'node_cpu_isolated{{cpu="{n}"}}' for n in (2, 3, 5)
    }


def test_a_processor_that_comes_in_later_is_seen(tmp_path: Path) -> None:
    folder = "devices/system/cpu"
    plant(tmp_path, {"stat": "cpu0 0 0 0 0\nbtime 1\n", f"{folder}/cpu0/topology/core_id": "0"})
    look = cpu.begin(cpu.Options(Tree(tmp_path), Tree(tmp_path)))
    assert not any("throttles" in key for key in values(look(within(5))))
    plant(
        tmp_path,
        {
            f"{folder}/cpu1/topology/physical_package_id": "0",
            f"{folder}/cpu1/topology/core_id": "1",
            f"{folder}/cpu1/thermal_throttle/core_throttle_count": "4",
        },
    )
    assert values(look(within(5)))['node_cpu_core_throttles_total{core="1", package="0"}'] == 4
