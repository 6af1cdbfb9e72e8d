"""Senses: each module here looks at one kind of thing and says what it sees, as samples.

To add a probe: write one module that ends in ``PROBE = Probe(...)``, write its test
``tests/probes/test_<module>.py``, and add it to ``PROBES`` below. A probe reads and never changes anything;
it raises only for trouble of its own, for what it looks at is told by samples; it blocks at most until its
deadline.
"""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes import cpu, filesystem, http, load, memory, process, stat, tcp

PROBES: Final[tuple[AnyProbe, ...]] = (
    cpu.PROBE,
    load.PROBE,
    stat.PROBE,
    memory.PROBE,
    filesystem.PROBE,
    process.PROBE,
    http.PROBE,
    tcp.PROBE,
)
BY_NAME: Final[dict[str, AnyProbe]] = {probe.name: probe for probe in PROBES}
