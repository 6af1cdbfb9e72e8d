"""What other programs say: plug-ins of Nagios and its kin, and commands of one's own."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.check import command, nagios

CHECK: Final[tuple[AnyProbe, ...]] = (nagios.PROBE, command.PROBE)
