"""How many tasks the kernel has found hanging."""

from __future__ import annotations

from collections.abc import Iterator

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

TASKS = Metric("node_kernel_hung_tasks_total", "Tasks that hung for longer than the kernel likes.", "counter")


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the count; nothing on older kernels, or where the kernel does not look for them."""
    found = options.procfs.number("sys/kernel/hung_task_detect_count")
    if found is not None:
        yield TASKS(found)


PROBE = Probe("kernel_hung", Procfs, run, (TASKS,), job="node", target=this_host, converse=at_once(run))
