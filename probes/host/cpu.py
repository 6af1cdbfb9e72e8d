"""CPU time of each processor by mode, and how often it was slowed down for its heat."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from model.plugin import Deadline, Look, Probe
from model.sample import Metric, Sample
from probes.host.roots import PROCFS, SYSFS, Tree, this_host

SECONDS = Metric("node_cpu_seconds_total", "Seconds a CPU spent in each mode.", "counter", ("cpu", "mode"))
GUEST_SECONDS = Metric(
    "node_cpu_guest_seconds_total", "Seconds a CPU spent in guests, by mode.", "counter", ("cpu", "mode")
)
CORE_THROTTLES = Metric(
    "node_cpu_core_throttles_total", "How often a core was slowed down.", "counter", ("core", "package")
)
PACKAGE_THROTTLES = Metric(
    "node_cpu_package_throttles_total", "How often a package was slowed down.", "counter", ("package",)
)
ONLINE = Metric("node_cpu_online", "1 if the CPU is in use, where it can be taken out.", labels=("cpu",))
ISOLATED = Metric("node_cpu_isolated", "1 for each CPU that is kept from the scheduler.", labels=("cpu",))

_FOLDER: Final = "devices/system/cpu"
_CPU: Final = re.compile("cpu([0-9]+)")
_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES: Final = ("user", "nice")
_STEP_BACK_S_MAX: Final = 3.0

Times = dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Options:
    """``procfs`` and ``sysfs`` are where the host's /proc and /sys are; a container sees them elsewhere."""

    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS


def parse(stat: str, ticks_per_s: int) -> Times:
    """Return the seconds in each mode of each processor, from /proc/stat (proc(5)); guests come last."""
    times: Times = {}
    for line in stat.split("\n"):
        name, _, ticks = line.partition(" ")
        if not name.startswith("cpu"):
            break  # the lines of the processors come first, and the next one is long
        if name != "cpu":
            times[name[3:]] = tuple(int(tick) / ticks_per_s for tick in ticks.split())
    return times


def held(before: Times, now: Times) -> Times:
    """Return the times without small steps back.

    The kernel's idle and iowait may step back a little, and a rule would take that for a restart of the
    counter and see its whole value as an increase. A large step is a processor that went and came back.
    """
    return {
        cpu: tuple(
            old if new < old <= new + _STEP_BACK_S_MAX else new
            for old, new in zip(before.get(cpu, times), times, strict=True)
        )
        for cpu, times in now.items()
    }


def samples(times: Times) -> Iterator[Sample]:
    """Yield one sample for each processor and mode."""
    for cpu, seconds in times.items():
        for mode, spent in zip(_MODES, seconds, strict=False):
            yield SECONDS(spent, cpu=cpu, mode=mode)
        for mode, spent in zip(_GUEST_MODES, seconds[len(_MODES) :], strict=False):
            yield GUEST_SECONDS(spent, cpu=cpu, mode=mode)


def listed(cpus: str) -> list[int]:
    """Return the processors that the kernel lists in the form ``0-3,8`` (cpuset(7))."""
    found: list[int] = []
    for part in filter(None, cpus.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@dataclass(frozen=True, slots=True)
class Throttle:
    """One counter of slowing down, and the file that it stands in."""

    metric: Metric
    labels: dict[str, str]
    file: str


def throttles(sysfs: Tree, cpus: Iterable[str]) -> list[Throttle]:
    """Return every counter of slowing down once; processors of one core, or package, share theirs.

    The files are told of in the kernel's Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    found: dict[tuple[str, ...], Throttle] = {}
    for cpu in cpus:
        folder = f"{_FOLDER}/{cpu}"
        counted = f"{folder}/thermal_throttle/core_throttle_count"
        counted_package = f"{folder}/thermal_throttle/package_throttle_count"
        by_core, by_package = sysfs.attribute(counted), sysfs.attribute(counted_package)
        if by_core is None and by_package is None:
            continue  # no such counters, as in a virtual machine
        package = sysfs.attribute(f"{folder}/topology/physical_package_id")
        core = sysfs.attribute(f"{folder}/topology/core_id")
        if package is None or core is None:
            continue
        if by_core is not None:
            labels = {"core": core, "package": package}
            found.setdefault((package, core), Throttle(CORE_THROTTLES, labels, counted))
        if by_package is not None:
            found.setdefault((package,), Throttle(PACKAGE_THROTTLES, {"package": package}, counted_package))
    return list(found.values())


@dataclass(slots=True)
class _Processors:
    """The processors as they were last seen."""

    options: Options
    times: Times = field(default_factory=dict)
    present: list[str] = field(default_factory=list)
    throttles: list[Throttle] = field(default_factory=list)

    def look(self, _deadline: Deadline) -> Iterator[Sample]:
        now = parse(self.options.procfs.text("stat"), os.sysconf("SC_CLK_TCK"))
        self.times = held(self.times, now)
        yield from samples(self.times)
        yield from self._heat()
        yield from self._use()

    def _heat(self) -> Iterator[Sample]:
        sysfs = self.options.sysfs
        present = [name for name in sysfs.names(_FOLDER) if _CPU.fullmatch(name)]
        if present != self.present:
            self.present, self.throttles = present, throttles(sysfs, present)
        for throttle in self.throttles:
            count = sysfs.number(throttle.file)
            if count is not None:
                yield throttle.metric(count, **throttle.labels)

    def _use(self) -> Iterator[Sample]:
        sysfs = self.options.sysfs
        for cpu in listed(sysfs.attribute(f"{_FOLDER}/isolated") or ""):
            yield ISOLATED(1, cpu=str(cpu))
        if sysfs.attribute(f"{_FOLDER}/cpu0/online") is None:
            return  # this kernel keeps every processor in use, or cannot tell of the first
        online = set(listed(sysfs.attribute(f"{_FOLDER}/online") or ""))
        for name in self.present:
            yield ONLINE(int(name[3:]) in online, cpu=name[3:])


def begin(options: Options) -> Look:
    """Return what tells the CPU times, with the last ones in its memory."""
    return _Processors(options).look


PROBE = Probe(
    "cpu", Options, None,
    (SECONDS, GUEST_SECONDS, CORE_THROTTLES, PACKAGE_THROTTLES, ONLINE, ISOLATED),
    job="node", target=this_host, begin=begin,
)  # fmt: skip  # the metrics on one line
