"""A synthetic host: 1,265 series as node_exporter brings them, 15 seconds apart, and 100 rules over them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from model.labels import NAME, Labels
from rules.store.log import StoreLog
from rules.store.store import Row

SERIES: Final = 1265
STEP_MS: Final = 15_000
TARGET: Final = Labels.of(job="node", instance="web1:9100")

_HOURS_PER_SEGMENT: Final = 4
_DAY_MS: Final = 86_400_000


@dataclass(slots=True)
class Host:
    """Series that move as a host's do; counters rise, gauges wander, and most settings stand still."""

    chance: random.Random
    counters: list[Labels] = field(default_factory=list)
    gauges: list[Labels] = field(default_factory=list)
    still: list[Row] = field(default_factory=list)
    _counted: list[float] = field(default_factory=list)
    _levels: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._processor_and_memory()
        self._disks()
        self._network()
        self._units()
        left = SERIES - 2 - len(self.counters) - len(self.gauges) - len(self.still)
        self.still += [(_series(f"node_setting_{number}"), float(number)) for number in range(left)]
        self._counted = [0.0] * len(self.counters)
        self._levels = [self.chance.random() for _ in self.gauges]

    def _processor_and_memory(self) -> None:
        for cpu in range(8):
            for mode in ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"):
                self._counter("node_cpu_seconds_total", cpu=str(cpu), mode=mode)
        for number in range(200):
            self._counter(f"node_vmstat_{number}")
        self.gauges += [_series(f"node_memory_{number}_bytes") for number in range(50)]
        self.gauges += [_series(f"node_load{minutes}") for minutes in (1, 5, 15)]
        self.gauges += [_series("node_memory_MemAvailable_bytes"), _series("node_timex_offset_seconds")]
        self.still.append((_series("node_memory_MemTotal_bytes"), 16e9))

    def _disks(self) -> None:
        for disk in range(10):
            device = f"sd{chr(97 + disk)}"
            for what in range(15):
                self._counter(f"node_disk_{what}_total", device=device)
            where = {"device": f"/dev/{device}1", "mountpoint": f"/data{disk}", "fstype": "ext4"}
            self.gauges += [_series("node_filesystem_avail_bytes", **where)]
            self.still += [
                (_series("node_filesystem_size_bytes", **where), 1e12),
                (_series("node_filesystem_readonly", **where), 0.0),
                (_series("node_filesystem_files", **where), 6e7),
                (_series("node_filesystem_files_free", **where), 5e7),
            ]

    def _network(self) -> None:
        for card in range(10):
            for what in ("receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets"):
                self._counter(f"node_network_{what}_total", device=f"eth{card}")
            for what in ("receive_errs", "transmit_errs", "receive_drop", "transmit_drop"):
                self.still.append((_series(f"node_network_{what}_total", device=f"eth{card}"), 0.0))

    def _units(self) -> None:
        for unit in range(100):
            for state in ("activating", "active", "deactivating", "failed", "inactive"):
                series = _series("node_systemd_unit_state", name=f"unit{unit}.service", state=state)
                self.still.append((series, float(state == "active")))

    def _counter(self, name: str, /, **labels: str) -> None:
        self.counters.append(_series(name, **labels))

    def row(self, at_ms: int) -> list[Row]:
        """Return every value of the next moment."""
        chance = self.chance.random
        day = at_ms % _DAY_MS / _DAY_MS
        rows: list[Row] = []
        for index, labels in enumerate(self.counters):
            self._counted[index] += self._growth(labels, chance(), day)
            rows.append((labels, self._counted[index]))
        for index, labels in enumerate(self.gauges):
            level = self._levels[index] = min(1.0, max(0.02, self._levels[index] + (chance() - 0.5) / 200))
            rows.append((labels, _level(labels.name, level)))
        up = (_series("up"), 1.0)
        return [*rows, *self.still, (_series("node_time_seconds"), at_ms / 1000), up]

    def _growth(self, labels: Labels, chance: float, day: float) -> float:
        if labels.name != "node_cpu_seconds_total":
            return chance * 1000
        return (13.5 if labels.get("mode") == "idle" else 0.4 * day) * (0.9 + chance / 5)


def _series(name: str, /, **labels: str) -> Labels:
    return TARGET.having({NAME: name, **labels})


def _level(name: str, level: float) -> float:
    if name.startswith("node_filesystem"):
        return level * 1e12
    return level * 16e9 if name.startswith("node_memory") else level * 8


def rows(since_ms: int, until_ms: int, seed: int = 1) -> Iterator[tuple[int, list[Row]]]:
    """Yield the rows of a host over some time."""
    host = Host(random.Random(seed))
    for at_ms in range(since_ms, until_ms, STEP_MS):
        yield at_ms, host.row(at_ms)


def write_log(directory: Path, since_ms: int, until_ms: int) -> None:
    """Write a sample log as an agent would have left it."""
    log = StoreLog(directory, 1 << 40)
    opened_ms = since_ms
    for at_ms, row in rows(since_ms, until_ms):
        if at_ms - opened_ms >= _HOURS_PER_SEGMENT * 3_600_000:
            log.close()
            log, opened_ms = StoreLog(directory, 1 << 40), at_ms
        labels, values = zip(*row, strict=True)
        log.record(TARGET, at_ms, labels, values)
    log.close()


_RULES: Final = (
    ("HostDown", "up == {}", (0,)),
    (
        "CpuBusy",
        '1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[5m])) > {}',
        (0.5, 0.8, 0.9),
    ),
    ("CpuBusyRecorded", "instance:node_cpu:busy > {}", (0.5, 0.8, 0.9, 0.95)),
    ("IoWait", 'avg by (instance) (rate(node_cpu_seconds_total{{mode="iowait"}}[5m])) > {}', (0.3, 0.5, 0.7)),
    ("Steal", 'sum by (instance) (irate(node_cpu_seconds_total{{mode="steal"}}[5m])) > {}', (2, 3)),
    ("LoadHigh", "node_load5 / 8 > {}", (1.5, 2, 3, 4)),
    ("MemoryLow", "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < {}", (0.02, 0.01, 0.005)),
    ("DiskFull", "node_filesystem_avail_bytes / node_filesystem_size_bytes * 100 < {}", (2.1, 1.5, 1, 0.5)),
    ("DiskReadOnly", "node_filesystem_readonly == {}", (1,)),
    ("DiskFills", "predict_linear(node_filesystem_avail_bytes[6h], {} * 3600) < 0", (4, 24)),
    ("Inodes", "node_filesystem_files_free / node_filesystem_files < {}", (0.1, 0.05)),
    ("UnitFailed", 'node_systemd_unit_state{{state="failed"}} == {}', (1,)),
    ("UnitFlaps", 'changes(node_systemd_unit_state{{state="active"}}[15m]) > {}', (2, 5)),
    (
        "NetErrors",
        "rate(node_network_receive_errs_total[2m]) / rate(node_network_receive_packets_total[2m]) > {}",
        (0.01, 0.05),
    ),
    ("NetDrops", "increase(node_network_transmit_drop_total[10m]) > {}", (100, 1000)),
    ("NetBusy", "rate(node_network_receive_bytes_total[5m]) * 8 > {}", (1e6, 1e7, 1e8)),
    ("DiskBusy", "rate(node_disk_3_total[5m]) > {}", (80, 90, 200)),
    ("ClockOff", "abs(node_timex_offset_seconds) > {}", (8.5, 9)),
    ("ClockStuck", "time() - node_time_seconds > {}", (30, 60)),
    ("Gone", 'absent(up{{job="node"}}) == {}', (1,)),
    ("Vm", "rate(node_vmstat_{}[5m]) > 70", tuple(range(48))),
    ("Always", "vector({}) > 0", (1,)),
)


def rule_file() -> str:
    """Return 100 rules in Prometheus' form, four of them recording rules."""
    lines = ["groups:", "- name: recorded", "  interval: 15s", "  rules:"]
    for name, expr in (
        ("instance:node_cpu:busy", '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))'),
        ("instance:node_memory:used", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),
        ("instance:node_load:cores", "node_load1 / 8"),
        ("device:node_disk:rate", "rate(node_disk_0_total[1m])"),
    ):
        lines += [f"  - record: {name}", f"    expr: '{expr}'".replace("''", '"')]
    lines += ["- name: alerts", "  interval: 15s", "  rules:"]
    for name, expr, limits in _RULES:
        for number, limit in enumerate(limits):
            text = expr.format(limit).replace("'", "''")
            lines += [f"  - alert: {name}{number}", f"    expr: '{text}'", f"    for: {number}m"]
            lines += ["    annotations: {summary: '{{ $labels.instance }} has {{ $value }}'}"]
    return "\n".join(lines) + "\n"
