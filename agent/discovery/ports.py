"""Web servers and other ports that are listened at, each as a probe that connects as a client would."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from agent.discovery.finding import Findings, Listening
from agent.discovery.quote import Value
from agent.discovery.services import MEMCACHED, MYSQL, POSTGRES, REDIS, SERVICES
from agent.discovery.suggestion import Item

_ASKED_WITHIN: Final = frozenset({REDIS, MEMCACHED, POSTGRES, MYSQL})
_SLOWLY: Final = "1m"  # sshd writes a line for each connection that says nothing


def ports(findings: Findings) -> Iterator[Item]:
    """Yield one item for each port, but for the services that have probes of their own."""
    for one in findings.listening:
        kind = SERVICES.get(one.program.name, "") if one.program else ""
        if kind in _ASKED_WITHIN or one.speech == "nothing" or _only_here(one):
            continue
        if one.speech in ("http", "https"):
            yield _web(one)
        else:
            beside: dict[str, Value] = {"every": _SLOWLY} if kind == "ssh" or one.port == 22 else {}
            yield Item("tcp", {"target": one.at}, one.reason, beside)


def _only_here(one: Listening) -> bool:
    """Tell whether an address means something on one link alone, so that it cannot be written."""
    return ipaddress.ip_address(one.address).is_link_local


def _web(one: Listening) -> Item:
    url = f"{one.speech}://{one.at}/"
    reason = f"{one.reason}; it answered GET / with {one.status}"
    if one.program and one.program.name.endswith("_exporter") and one.speech == "http":
        return Item(
            "scrape", {"target": f"{url}metrics"}, f"{one.reason}; its metrics are taken over as they are"
        )
    options: dict[str, Value] = {"target": url}
    if one.speech == "https":
        options["tls_config"] = {"insecure_skip_verify": True}
        reason += "; its certificate is for another name than loopback's, so only its dates are judged"
    if 300 <= one.status < 400:
        options |= {"follow_redirects": False, "valid_status_codes": (one.status,)}
        reason += "; where that leads is better watched by its own name"
    elif 400 <= one.status < 500:
        options["valid_status_codes"] = (one.status,)
        reason += "; name a page that it has, then drop valid_status_codes"
    elif one.status >= 500:
        reason += ", which is trouble already"
    return Item("http", options, reason)
