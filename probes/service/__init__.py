"""Services from within: their processes, and what they say of themselves."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.service import process

SERVICE: Final[tuple[AnyProbe, ...]] = (process.PROBE,)
