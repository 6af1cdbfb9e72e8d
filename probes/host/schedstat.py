"""How long tasks ran on each processor, and waited for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host


def _counter(name: str, words: str) -> Metric:
    return Metric(f"node_schedstat_{name}_total", words, "counter", ("cpu",))


RUNNING = _counter("running_seconds", "Seconds that tasks ran on a CPU.")
WAITING = _counter("waiting_seconds", "Seconds that tasks waited for a CPU.")
TIMESLICES = _counter("timeslices", "How often a CPU was given to a task.")

_NS_PER_S: Final = 1e9


def parse(schedstat: str) -> Iterator[Sample]:
    """Yield a processor's last three columns (the kernel's Documentation/scheduler/sched-stats.rst)."""
    for line in schedstat.split("\n"):
        if line.startswith("cpu"):
            name, *columns = line.split()
            running_ns, waiting_ns, slices = map(int, columns[6:9])
            yield RUNNING(running_ns / _NS_PER_S, cpu=name[3:])
            yield WAITING(waiting_ns / _NS_PER_S, cpu=name[3:])
            yield TIMESLICES(slices, cpu=name[3:])


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the times of each processor; nothing where the kernel was built without them."""
    return parse(options.procfs.text_if_any("schedstat"))


PROBE = Probe(
    "schedstat",
    Procfs,
    run,
    (RUNNING, WAITING, TIMESLICES),
    job="node",
    target=this_host,
    converse=at_once(run),
)
