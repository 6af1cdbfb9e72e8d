"""Measure a hundred rules beside Prometheus: ``python -m bench.rules`` prints CPU for each cycle, and memory.

Both judge the same rules over the same generated samples, every 15 s of the past hours; both answers to every
expression are compared before anything is measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode

from model.labels import Labels
from model.sample import Sample
from rules.file import load_rules
from rules.judge import Judge
from rules.promql import compile_query
from rules.store.store import Store
from tests.e2e.patience import pause, until
from tests.e2e.ports import LOOPBACK, Port

STEP_MS: Final = 15_000
HOUR_MS: Final = 3_600_000
SERIES_OF_A_HOST: Final = 1200
CYCLES: Final = 40
AHEAD_MS: Final = 30 * 60_000
"""How far into the future the samples reach, so that they are fresh for as long as a run takes."""

_READY_S: Final = 120.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Series:
    """A generated series: what it starts at, and how it moves; a range of 0 never moves."""

    labels: Labels
    first: float
    range: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with every combination of these label values."""

    name: str
    labels: Mapping[str, Sequence[str]]
    first: float = 1e6
    range: int = 0
    counts: bool = False

    def series(self) -> Iterator[Series]:
        """Yield its series."""
        for values in product(*self.labels.values()):
            labels = Labels.of(zip(self.labels, values, strict=True), __name__=self.name)
            yield Series(labels, self.first, self.range, self.counts)


def _numbered(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word}{number}" for number in range(count))


def _families(names: str, labels: Mapping[str, Sequence[str]], **moves: float) -> tuple[Family, ...]:
    first, span, counts = moves.get("first", 1e6), int(moves.get("range", 0)), bool(moves.get("counts"))
    return tuple(Family(name, labels, first, span, counts) for name in names.split())


_CPUS: Final = _numbered("", 16)
_DISKS: Final = {"device": _numbered("sd", 6)}
_PLACES: Final = {"mountpoint": _numbered("/data", 10), "device": ("/dev/sda",), "fstype": ("ext4",)}
_HANDLERS: Final = _numbered("/", 8)
_TARGETS: Final = {"target": _numbered("https://example/", 10)}
_GROUPS: Final = {"groupname": _numbered("g", 20)}
_BOUNDS: Final = ("0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")

# About one host's exporters; two series in three never change.
FAMILIES: Final = (
    *_families(
        "node_cpu_seconds_total",
        {"cpu": _CPUS, "mode": ("idle", "user", "system", "iowait")},
        range=9,
        counts=1,
    ),
    *_families("node_cpu_seconds_total", {"cpu": _CPUS, "mode": ("irq", "nice", "softirq", "steal")}),
    *_families("node_memory_MemTotal_bytes node_memory_SwapTotal_bytes", {}, first=8e9),
    *_families(
        "node_memory_MemAvailable_bytes node_memory_MemFree_bytes node_memory_SwapFree_bytes",
        {},
        first=7e9,
        range=1 << 20,
    ),
    *_families("node_filesystem_size_bytes", _PLACES, first=1e12),
    *_families("node_filesystem_avail_bytes node_filesystem_free_bytes", _PLACES, first=5e11, range=1 << 22),
    *_families("node_filesystem_files", _PLACES, first=6e7),
    *_families("node_filesystem_files_free", _PLACES, first=4e7, range=900),
    *_families("node_filesystem_readonly", _PLACES, first=0),
    *_families("node_disk_io_time_seconds_total node_disk_reads_completed_total", _DISKS, range=9, counts=1),
    *_families("node_disk_read_bytes_total node_disk_written_bytes_total", _DISKS, range=9, counts=1),
    *_families(
        "node_network_receive_bytes_total node_network_transmit_bytes_total",
        {"device": _numbered("eth", 6)},
        range=9,
        counts=1,
    ),
    *_families(
        "node_network_receive_errs_total node_network_transmit_errs_total", {"device": _numbered("eth", 6)}
    ),
    *_families("node_network_up", {"device": _numbered("eth", 6)}, first=1),
    *_families("node_systemd_unit_state", {"name": _numbered("unit", 80), "state": ("active",)}, first=1),
    *_families(
        "node_systemd_unit_state",
        {"name": _numbered("unit", 80), "state": ("activating", "deactivating", "inactive", "failed")},
        first=0,
    ),
    *_families("node_hwmon_temp_celsius", {"sensor": _numbered("temp", 12)}, first=50, range=5),
    *_families("node_load1 node_load5 node_load15 node_timex_offset_seconds", {}, first=1, range=3),
    *_families("node_context_switches_total node_vmstat_pgmajfault", {}, range=9, counts=1),
    *_families("node_vmstat_oom_kill node_procs_blocked", {}, first=0),
    *_families("node_boot_time_seconds", {}, first=1.6e9),
    *_families("node_timex_sync_status up", {}, first=1),
    *_families(
        "http_request_duration_seconds_bucket", {"handler": _HANDLERS, "le": _BOUNDS}, range=9, counts=1
    ),
    *_families("http_requests_total", {"handler": _HANDLERS, "code": ("200", "404")}, range=9, counts=1),
    *_families("http_requests_total", {"handler": _HANDLERS, "code": ("301", "500", "503")}),
    *_families("probe_success", _TARGETS, first=1),
    *_families("probe_http_status_code", _TARGETS, first=200),
    *_families("probe_duration_seconds", _TARGETS, first=1, range=2),
    *_families("probe_ssl_earliest_cert_expiry", _TARGETS, first=4e9),
    *_families("namedprocess_namegroup_num_procs namedprocess_namegroup_open_filedesc", _GROUPS, first=100),
    *_families("namedprocess_namegroup_memory_bytes", _GROUPS, first=100, range=3),
    *_families("namedprocess_namegroup_oldest_start_time_seconds", _GROUPS, first=1.6e9),
)


def host(number: int) -> list[Series]:
    """Return the series of one host, filled up to 1,200 with some that no rule reads."""
    made = [series for family in FAMILIES for series in family.series()]
    rest = Family("app_setting", {"n": _numbered("", SERIES_OF_A_HOST - len(made))}, 7)
    target = {"instance": f"host{number}", "job": "node"}
    return [replace(series, labels=series.labels.having(target)) for series in (*made, *rest.series())]


EXPRESSIONS: Final = """
up == 0
100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100 > #
sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m])) > #0
avg by (instance) (rate(node_cpu_seconds_total{mode="iowait"}[5m])) * 100 > #
max by (instance) (rate(node_cpu_seconds_total{mode="steal"}[5m])) * 100 > #
node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100 < 1#
rate(node_vmstat_pgmajfault[5m]) > #000
increase(node_vmstat_oom_kill[5m]) > #000
(1 - node_memory_SwapFree_bytes / node_memory_SwapTotal_bytes) * 100 > #0
sum by (instance) (rate(node_network_receive_bytes_total[5m])) / 1024 / 1024 > #0
rate(node_network_receive_errs_total[5m]) / (rate(node_network_receive_bytes_total[5m]) + 1) > 0.0#
node_network_up{device!~"veth.*"} == 0
rate(node_disk_io_time_seconds_total[5m]) > #
sum by (instance) (rate(node_disk_read_bytes_total[5m])) / 1024 / 1024 > #0
(node_filesystem_avail_bytes / node_filesystem_size_bytes * 100 < 1# and on (instance, device,
  mountpoint) node_filesystem_readonly == 0)
(node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.# and
  predict_linear(node_filesystem_avail_bytes{fstype!~"tmpfs"}[1h], 24 * 3600) < 0)
predict_linear(node_filesystem_avail_bytes[1h], # * 3600) < 0
node_filesystem_files_free / node_filesystem_files * 100 < #
deriv(node_filesystem_files_free[1h]) < -#000
node_systemd_unit_state{state="failed"} == 1
count by (instance) (node_systemd_unit_state{state="active"} == 1) < #
node_hwmon_temp_celsius > 7#
max_over_time(node_hwmon_temp_celsius[1h]) > 9#
avg_over_time(node_load5[30m]) / on (instance) count by (instance)
  (node_cpu_seconds_total{mode="idle"}) > #
abs(node_timex_offset_seconds) > 5#
min_over_time(node_timex_sync_status[5m]) == 0
rate(node_context_switches_total[5m]) > #0000
time() - node_boot_time_seconds < #00
histogram_quantile(0.9#, sum by (le, instance) (rate(http_request_duration_seconds_bucket[5m]))) >
  30
sum by (instance) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (instance)
  (rate(http_requests_total[5m])) > 0.#
sum by (handler) (increase(http_requests_total[1h])) > #e9
probe_success == 0
probe_http_status_code <= 199 or probe_http_status_code >= 4#0
avg_over_time(probe_duration_seconds[10m]) > #0
probe_ssl_earliest_cert_expiry - time() < 86400 * #
namedprocess_namegroup_num_procs < #
changes(namedprocess_namegroup_oldest_start_time_seconds[15m]) > #
namedprocess_namegroup_memory_bytes > #e9
absent(up{job="node"})
topk(#, namedprocess_namegroup_open_filedesc) > 1000
quantile by (instance) (0.9, node_hwmon_temp_celsius) > 8#
stddev_over_time(node_load1[10m]) > #
resets(http_requests_total[30m]) > #
delta(node_memory_MemFree_bytes[10m]) < -#e9
sum by (device) (irate(node_disk_written_bytes_total[5m])) > #e8
node_load15 > #0 and node_load1 > node_load15 * 2
node_procs_blocked > 1#
max by (instance) (rate(node_network_transmit_errs_total[2m])) > #
count by (state) (node_systemd_unit_state == 1) > 1e#
sum without (cpu, mode) (increase(node_cpu_seconds_total[10m])) > #e6
"""


def expressions() -> list[str]:
    """Return a hundred expressions: each of fifty with the thresholds of a warning and of an emergency."""
    each = EXPRESSIONS.strip().replace("\n  ", " ").splitlines()
    return [text.replace("#", digit) for text in each for digit in ("5", "9")]


def rule_file() -> str:
    """Return the hundred rules as a file; JSON is YAML."""
    each = [
        {
            "alert": f"Rule{number}",
            "expr": text,
            "for": "5m",
            "labels": {"severity": "warning", "n": str(number)},
        }
        for number, text in enumerate(expressions())
    ]
    return json.dumps({"groups": [{"name": "hundred", "interval": "1s", "rules": each}]})


def rows(series: list[Series], first_ms: int, last_ms: int) -> Iterator[tuple[int, list[float]]]:
    """Yield a value of each series every 15 s, the same for the same series."""
    chance = random.Random(1)
    values = [each.first for each in series]
    moving = [(index, each) for index, each in enumerate(series) if each.range]
    for at_ms in range(first_ms, last_ms + 1, STEP_MS):
        for index, each in moving:
            moved = int(chance.random() * each.range)
            values[index] = values[index] + moved if each.counts else each.first + moved
        yield at_ms, values


@dataclass(frozen=True, slots=True)
class Figures:
    """What one system needed; memory in MB of 10^6 bytes, ``ingest_ms`` for a row of every series.

    ``judged_ms`` is how long after a probe's sample came the rules that read it were judged.
    """

    series: int
    hours: float
    cycle_ms: float
    rss_mb: float
    store_mb: float = 0.0
    ingest_ms: float = 0.0
    judged_ms: float = 0.0


def ours(hosts: int, hours: float, last_ms: int) -> Figures:
    """Judge with our engine, in this process."""
    series = [each for number in range(hosts) for each in host(number)]
    first_ms = last_ms - round(hours * HOUR_MS)
    store = Store(retention_ms=round(hours * HOUR_MS) + HOUR_MS, series_max=len(series) + 1000)
    targets = [Labels.of(instance=f"host{number}", job="node") for number in range(hosts)]
    before_mb = _rss_mb("self")
    for at_ms, values in rows(series, first_ms, last_ms):
        _write(store, targets, series, at_ms, values)
    store_mb = _rss_mb("self") - before_mb
    judge = Judge([load_rules(rule_file().encode(), "rules.yml")], store, STEP_MS, time.monotonic)
    ingests, cycles = [], []
    for at_ms, values in rows(series, last_ms + STEP_MS, last_ms + CYCLES * STEP_MS):
        began_s = time.process_time()
        _write(store, targets, series, at_ms, values)
        written_s = time.process_time()
        judge.judge_due(at_ms)
        ingests.append(written_s - began_s)
        cycles.append(time.process_time() - written_s)
    quiet = len(cycles) // 4
    return Figures(
        len(series),
        hours,
        median(cycles[quiet:]) * 1000,
        _rss_mb("self"),
        store_mb,
        median(ingests) * 1000,
        median(_waits(judge, store, at_ms)) * 1000,
    )


def _waits(judge: Judge, store: Store, at_ms: int) -> Iterator[float]:
    """Yield the seconds from a probe's sample to the judgement of all that reads it, again and again."""
    target, name = Labels.of(job="probe", instance="a"), Labels.of(__name__="probe_success")
    for number in range(CYCLES):
        began_s = time.perf_counter()
        names = store.write(target, at_ms + number * 1000, [Sample(name, float(number % 2))])
        judge.judge_metrics(names, at_ms + number * 1000)
        yield time.perf_counter() - began_s


def _write(
    store: Store, targets: list[Labels], series: list[Series], at_ms: int, values: list[float]
) -> None:
    for number, target in enumerate(targets):
        share = slice(number * SERIES_OF_A_HOST, (number + 1) * SERIES_OF_A_HOST)
        samples = [
            Sample(each.labels, value) for each, value in zip(series[share], values[share], strict=True)
        ]
        store.write(target, at_ms, samples)


@contextmanager
def prometheus(folder: Path, config: str) -> Iterator[tuple[int, int]]:
    """Run Prometheus over the blocks in this folder; yield its process id and port."""
    (folder / "prometheus.yml").write_text(config)
    port = Port.free()
    number = port.number
    port.close()
    argv = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={LOOPBACK}:{number}",
        "--log.level=error",
    ]
    server = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _get(number, "/-/ready") is not None, _READY_S, "Prometheus is ready")
        yield server.pid, number
    finally:
        server.terminate()
        server.wait(60)


def _get(port: int, path: str, **form: str) -> str | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST" if form else "GET", path, urlencode(form) if form else None, headers)
        reply = connection.getresponse()
        text = reply.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if reply.status == 200 else None


def theirs(hosts: int, hours: float, last_ms: int, folder: Path) -> Figures:
    """Judge with Prometheus: the CPU of its process for each cycle, less what it takes without any rule."""
    series = [each for number in range(hosts) for each in host(number)]
    _make_blocks(series, hours, last_ms, folder)
    (folder / "rules.yml").write_text(rule_file())
    with prometheus(folder, "global: {}\n") as (pid, port):
        _compare(series, hours, last_ms, port)
        pause(5)
        idle_s = _cpu_s(pid, 10.0) / 10.0
    config = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    with prometheus(folder, config) as (pid, port):
        pause(10)
        cycles, began_s = _iterations(port), time.monotonic()
        used_s = _cpu_s(pid, 30.0)
        cycles, lasted_s = _iterations(port) - cycles, time.monotonic() - began_s
        cycle_ms = (used_s - idle_s * lasted_s) / max(cycles, 1) * 1000
        return Figures(len(series), hours, cycle_ms, _rss_mb(str(pid)))


def _make_blocks(series: list[Series], hours: float, last_ms: int, folder: Path) -> None:
    names = [str(each.labels).replace('", ', '",') for each in series]
    with (folder / "samples.txt").open("w") as file:
        for at_ms, values in rows(series, last_ms - round(hours * HOUR_MS), last_ms + AHEAD_MS):
            stamp = at_ms // 1000
            file.writelines(f"{name} {value!r} {stamp}\n" for name, value in zip(names, values, strict=True))
        file.write("# EOF\n")
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    (folder / "samples.txt").unlink()


def _compare(series: list[Series], hours: float, last_ms: int, port: int) -> None:
    """Fail unless both give the same results, at a moment when both have the same samples."""
    store = Store(retention_ms=1 << 60, series_max=len(series))
    hosts = len(series) // SERIES_OF_A_HOST
    targets = [Labels.of(instance=f"host{number}", job="node") for number in range(hosts)]
    for at_ms, values in rows(series, last_ms - round(hours * HOUR_MS), last_ms):
        _write(store, targets, series, at_ms, values)
    for text in expressions():
        mine = {
            point.labels: point.value
            for point in compile_query(text, compat="prometheus2").at(store, last_ms)
        }
        said = json.loads(_get(port, "/api/v1/query", query=text, time=str(last_ms / 1000)) or "{}")
        other = {Labels.of(each["metric"]): float(each["value"][1]) for each in said["data"]["result"]}
        alike = all(
            abs(value - other.get(labels, value + 1)) <= 1e-6 * abs(value) for labels, value in mine.items()
        )
        if mine.keys() != other.keys() or not alike:
            raise AssertionError(f"{text}: {len(mine)} results of ours, {len(other)} of Prometheus")


def _iterations(port: int) -> int:
    for line in (_get(port, "/metrics") or "").splitlines():
        if line.startswith("prometheus_rule_group_iterations_total{"):
            return round(float(line.rpartition(" ")[2]))
    return 0


def _cpu_s(pid: int, for_s: float) -> float:
    """Return the CPU time that a process takes while one waits so long."""
    began = _ticks(pid)
    pause(for_s)
    return (_ticks(pid) - began) / _TICKS


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rss_mb(pid: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError("the kernel reports no memory")


def measure(hosts: int, hours: float) -> tuple[Figures, Figures]:
    """Return our figures and Prometheus' over the same samples; each has a process of its own."""
    last_ms = (round(time.time() * 1000) + AHEAD_MS // 2) // STEP_MS * STEP_MS
    argv = [sys.executable, "-m", "bench.rules", "--alone", str(hosts), str(hours), str(last_ms)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory(prefix="beforehand-rules-") as name:
        return Figures(**json.loads(said.stdout)), theirs(hosts, hours, last_ms, Path(name))


def table(mine: Figures, other: Figures) -> str:
    """Return one comparison as text."""
    return "\n".join(
        [
            f"100 rules over {mine.series} series, {mine.hours:g} h of samples every 15 s",
            f"  CPU for each cycle   ours {mine.cycle_ms:8.1f} ms   Prometheus {other.cycle_ms:8.1f} ms",
            f"  share of that CPU    ours {mine.cycle_ms / other.cycle_ms:8.2f}",
            f"  taking one row in    ours {mine.ingest_ms:8.1f} ms",
            f"  judged after arrival ours {mine.judged_ms:8.1f} ms",
            f"  memory               ours {mine.rss_mb:8.1f} MB   Prometheus {other.rss_mb:8.1f} MB",
            f"  memory of samples    ours {mine.store_mb / mine.series * 1000:8.1f} MB for each 1,000 series",
        ]
    )


def main() -> int:
    """Run both sizes and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,200 series only, two hours of samples")
    parser.add_argument("--alone", nargs=3, metavar=("HOSTS", "HOURS", "MS"), help="ours only, as JSON")
    options = parser.parse_args()
    if options.alone:
        hosts, hours, last_ms = options.alone
        print(json.dumps(asdict(ours(int(hosts), float(hours), int(last_ms)))))
        return 0
    for hosts, hours in ((1, 2.0),) if options.quick else ((1, 6.0), (10, 1.0)):
        print(table(*measure(hosts, hours)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
