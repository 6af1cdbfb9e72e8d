"""What answers over the network, in blackbox_exporter's names."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.net import http, tcp

NET: Final[tuple[AnyProbe, ...]] = (http.PROBE, tcp.PROBE)
