"""What answers over the network, in blackbox_exporter's names."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.net import dns, domain, grpc, http, http_flow, icmp, tcp, tls, unix, websocket

NET: Final[tuple[AnyProbe, ...]] = (
    http.PROBE, tcp.PROBE, dns.PROBE, icmp.PROBE, grpc.PROBE, websocket.PROBE, unix.PROBE, tls.PROBE,
    http_flow.PROBE,
    domain.PROBE,
)  # fmt: skip  # as blackbox_exporter tells them
