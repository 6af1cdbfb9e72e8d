"""Whether this host's clock is kept in time, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, FileChange, Probe, Seen
from model.sample import Metric, Sample
from probes.host.adjtimex import Clock, clock
from probes.host.prompt import at_once
from probes.host.roots import Rootfs, Tree, this_host

SYNCED = Metric("beforehand_time_synced", "1 if the clock is kept in time.", labels=("source",))

# What each daemon leaves while it runs; the kernel alone says whether the clock is in time.
_DAEMONS: Final = (
    ("chrony", "run/chrony/chronyd.pid"),
    ("chrony", "run/chronyd.pid"),
    ("ntpd", "run/ntpd.pid"),
    ("timesyncd", "run/systemd/timesync"),
)
_TIMESYNCD_DONE: Final = "run/systemd/timesync/synchronized"


def samples(rootfs: Tree, said: Clock | None) -> Iterator[Sample]:
    """Yield whether the clock is in time; nothing where nobody can tell.

    systemd-timesyncd touches a file when it has set the clock (systemd-timesyncd.service(8)); it is believed
    only where the kernel cannot be asked, because it stays when the servers are long gone.
    """
    source = next((name for name, path in _DAEMONS if (rootfs / path).exists()), "none")
    if said:
        yield SYNCED(said.synchronised, source=source)
    elif source == "timesyncd":
        yield SYNCED((rootfs / _TIMESYNCD_DONE).exists(), source=source)


def run(options: Rootfs, _deadline: Deadline) -> Iterator[Seen]:
    """Yield whether this host's clock is in time."""
    yield from samples(options.rootfs, clock())
    yield FileChange(str(options.rootfs / _TIMESYNCD_DONE))


PROBE = Probe("timesync", Rootfs, run, (SYNCED,), job="node", target=this_host, converse=at_once(run))
