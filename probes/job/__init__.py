"""Jobs that run now and then, which tell of themselves by heartbeats."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.job import heartbeat

JOB: Final[tuple[AnyProbe, ...]] = (heartbeat.PROBE,)
