"""What /proc/stat tells besides CPU times: boot time, forks, context switches, interrupts, threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

BOOT_TIME = Metric("node_boot_time_seconds", "When the host booted, in seconds since 1970.")
CONTEXT_SWITCHES = Metric("node_context_switches_total", "Context switches.", "counter")
FORKS = Metric("node_forks_total", "Processes and threads ever started.", "counter")
INTERRUPTS = Metric("node_intr_total", "Interrupts served.", "counter")
RUNNING = Metric("node_procs_running", "Threads that run or could run.")
BLOCKED = Metric("node_procs_blocked", "Threads that wait for a disk.")

_LINES: Final = {
    "btime": BOOT_TIME,
    "ctxt": CONTEXT_SWITCHES,
    "processes": FORKS,
    "intr": INTERRUPTS,
    "procs_running": RUNNING,
    "procs_blocked": BLOCKED,
}


def parse(stat: str) -> Iterator[Sample]:
    """Yield a sample for each known line of /proc/stat (proc(5)); the first number of a line is its total."""
    for line in stat.split("\n"):
        name, _, rest = line.partition(" ")
        if name in _LINES:
            yield _LINES[name](float(rest.split(" ", 1)[0]))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the totals of this host."""
    return parse(options.procfs.text("stat"))


PROBE = Probe(
    "stat", Procfs, run, tuple(_LINES.values()), job="node", target=this_host, converse=at_once(run)
)
