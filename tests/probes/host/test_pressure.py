from __future__ import annotations

from pathlib import Path

from probes.host import pressure
from tests.probes.host.seen import told


def test_pressure_is_told_in_seconds(tmp_path: Path) -> None:
    line = "avg10=0.00 avg60=0.00 avg300=0.00 total="
    files = {"pressure/cpu": f"some {line}1500000\nfull {line}9\n", "pressure/irq": f"full {line}250000\n"}
    assert told(pressure.PROBE, tmp_path, files) == {
        "node_pressure_cpu_waiting_seconds_total": 1.5,
        "node_pressure_irq_stalled_seconds_total": 0.25,
    }


def test_a_kernel_without_pressure_is_no_trouble(tmp_path: Path) -> None:
    assert told(pressure.PROBE, tmp_path, {"stat": ""}) == {}
