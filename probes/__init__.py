"""Senses: each module here looks at one kind of thing and says what it sees, as samples.

To add a probe: write one module that ends in ``PROBE = Probe(...)``, write its test beside those of its
room, and add it to the room's list. A probe reads and never changes anything; it raises only for trouble of
its own, for what it looks at is told by samples; it blocks at most until its deadline.
"""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.check import CHECK
from probes.files import FILES
from probes.host import HOST
from probes.job import JOB
from probes.net import NET
from probes.service import SERVICE

PROBES: Final[tuple[AnyProbe, ...]] = (*HOST, *NET, *SERVICE, *CHECK, *JOB, *FILES)
BY_NAME: Final[dict[str, AnyProbe]] = {probe.name: probe for probe in PROBES}
