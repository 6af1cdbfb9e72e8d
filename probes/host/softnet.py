"""How each processor keeps up with the packets that come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host


def _counter(name: str, words: str) -> Metric:
    return Metric(f"node_softnet_{name}_total", words, "counter", ("cpu",))


BACKLOG = Metric("node_softnet_backlog_len", "Packets that wait for a CPU.", labels=("cpu",))

# By the column of /proc/net/softnet_stat (the kernel's net/core/net-procfs.c).
_COLUMNS: Final = {
    0: _counter("processed", "Packets that a CPU worked off."),
    1: _counter("dropped", "Packets that a CPU dropped, for its queue was full."),
    2: _counter("times_squeezed", "How often a CPU had to stop with packets left."),
    8: _counter("cpu_collision", "How often a CPU found a device locked when it had to send."),
    9: _counter("received_rps", "How often a CPU was woken for packets by another."),
    10: _counter("flow_limit_count", "How often the limit of one flow was reached."),
    11: BACKLOG,
}
_CPU: Final = 12  # since Linux 5.10; before, the lines of processors out of use are left out


def parse(softnet: str) -> Iterator[Sample]:
    """Yield the columns that this kernel has; all of them are hexadecimal."""
    for row, line in enumerate(filter(None, softnet.split("\n"))):
        values = [int(word, 16) for word in line.split()]
        cpu = str(values[_CPU] if len(values) > _CPU else row)
        for column, metric in _COLUMNS.items():
            if column < len(values):
                yield metric(values[column], cpu=cpu)


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the counts of each processor."""
    return parse(options.procfs.text("net/softnet_stat"))


PROBE = Probe(
    "softnet", Procfs, run, tuple(_COLUMNS.values()), job="node", target=this_host, converse=at_once(run)
)
