"""How full the kernel's table of tracked connections is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import at_once
from probes.host.roots import Procfs, this_host

ENTRIES = Metric("node_nf_conntrack_entries", "Connections that are tracked.")
LIMIT = Metric("node_nf_conntrack_entries_limit", "How many connections can be tracked.")

# Gauges though they only grow: so they are in node_exporter.
_STATS: Final = {
    key: Metric(f"node_nf_conntrack_stat_{key}", words)
    for key, words in {
        "found": "Look-ups that found their connection.",
        "invalid": "Packets that cannot be tracked.",
        "ignore": "Packets that are not to be tracked or are tracked already.",
        "insert": "Connections taken into the table.",
        "insert_failed": "Connections that were in the table already.",
        "drop": "Packets dropped, for their connection could not be taken in.",
        "early_drop": "Connections dropped to make room for others.",
        "search_restart": "Look-ups begun anew, because the table grew.",
    }.items()
}


def parse(table: str) -> Iterator[Sample]:
    """Yield the sums over all processors of /proc/net/stat/nf_conntrack; its numbers are hexadecimal."""
    head, *rows = [line.split() for line in table.splitlines()] or [[]]
    for column, name in enumerate(head):
        if name in _STATS:
            yield _STATS[name](sum(int(row[column], 16) for row in rows))


def run(options: Procfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the numbers of this host; nothing where the kernel tracks no connections."""
    for metric, name in ((ENTRIES, "count"), (LIMIT, "max")):
        number = options.procfs.number(f"sys/net/netfilter/nf_conntrack_{name}")
        if number is not None:
            yield metric(number)
    yield from parse(options.procfs.text_if_any("net/stat/nf_conntrack"))


PROBE = Probe(
    "conntrack",
    Procfs,
    run,
    (ENTRIES, LIMIT, *_STATS.values()),
    job="node",
    target=this_host,
    converse=at_once(run),
)
