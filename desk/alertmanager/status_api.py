"""What the desk says of itself to Alertmanager's clients: its version, and how it routes, in their words."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.alertmanager.alert_api import GROUPED_BY, RECEIVER
from desk.incident.account import rfc3339
from desk.staff.counter import Counter, answer

# Grafana and amtool read this as a configuration of Alertmanager, and Grafana fails where it has no route.
ROUTING: Final = f"""\
# How alerts are grouped here, as Alertmanager would write it; who is told stands in the catalogue.
route:
  receiver: {RECEIVER}
  group_by: [{GROUPED_BY}]
receivers:
- name: {RECEIVER}
"""


def status_routes(counter: Counter) -> list[Route]:
    """Return the route of the status, for staff and their programs alone."""
    return [Route("/api/v2/status", _status(counter), methods=["GET"])]


def _status(counter: Counter) -> Callable[[Request], Response]:
    def status(_: Request) -> Response:
        version = metadata.version("beforehand") if _installed() else "unknown"
        return answer(
            {
                "cluster": {"status": "disabled", "peers": []},
                "config": {"original": ROUTING},
                "uptime": rfc3339(counter.house.started_ms),
                "versionInfo": {"version": version, "branch": "", "buildDate": "", "buildUser": ""}
                | {"goVersion": "", "revision": ""},
            }
        )

    return status


def _installed() -> bool:
    return any(metadata.distributions(name="beforehand"))
