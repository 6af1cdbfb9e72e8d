"""The host itself, in node_exporter's names."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.host import cpu, filesystem, load, memory, stat

HOST: Final[tuple[AnyProbe, ...]] = (cpu.PROBE, load.PROBE, stat.PROBE, memory.PROBE, filesystem.PROBE)
