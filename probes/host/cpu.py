"""CPU time of each processor by mode, named as node_exporter names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Nothing, this_host

SECONDS = Metric("node_cpu_seconds_total", "Seconds a CPU spent in each mode.", "counter", ("cpu", "mode"))
GUEST_SECONDS = Metric(
    "node_cpu_guest_seconds_total", "Seconds a CPU spent in guests, by mode.", "counter", ("cpu", "mode")
)

_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES: Final = ("user", "nice")
_STEP_BACK_S_MAX: Final = 3.0

Times = dict[str, tuple[float, ...]]


def parse(stat: str, ticks_per_s: int) -> Times:
    """Return the seconds in each mode of each processor, from /proc/stat (proc(5)); guests come last."""
    times: Times = {}
    for line in stat.split("\n"):
        name, _, ticks = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
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


_last: Times = {}


def run(_options: Nothing, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the CPU times of this host."""
    now = parse(Path("/proc/stat").read_text("ascii"), os.sysconf("SC_CLK_TCK"))
    _last.update(held(_last, now))
    return samples({cpu: _last[cpu] for cpu in now})


PROBE = Probe("cpu", Nothing, run, (SECONDS, GUEST_SECONDS), job="node", target=this_host)
