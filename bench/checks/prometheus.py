"""Prometheus, which has blackbox_exporter look at each target and stores what that says."""

from __future__ import annotations

import json

from bench.checks.plan import Command, Plan, System, located
from tests.e2e.ports import LOOPBACK, Port

_MODULES = """
modules:
  http: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  tcp: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}
"""


def _commands(plan: Plan) -> list[Command]:
    with_port, own = Port.free(), Port.free()
    ports = (with_port.number, own.number)
    for port in (with_port, own):
        port.close()  # These two cannot listen on what is held.
    modules = plan.folder / "blackbox.yml"
    modules.write_text(_MODULES)
    config = plan.folder / "prometheus.yml"
    config.write_text(_config(plan, f"{LOOPBACK}:{ports[0]}"))
    blackbox = (
        located("prometheus-blackbox-exporter"),
        f"--config.file={modules}",
        f"--web.listen-address={LOOPBACK}:{ports[0]}",
        "--log.level=error",
    )
    server = (
        located("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={plan.folder / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{ports[1]}",
        "--log.level=error",
    )
    # One core, as for everybody else: Go would plan for all of them.
    return [Command(argv, {"GOMAXPROCS": "1"}) for argv in (blackbox, server)]


def _config(plan: Plan, blackbox: str) -> str:
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": blackbox},
    ]
    targets = [plan.told(number) for number in range(plan.count)]
    if plan.kind == "tcp":
        # The same address again and again is one target, unless something tells them apart.
        each = [{"targets": [told], "labels": {"check": str(number)}} for number, told in enumerate(targets)]
    else:
        each = [{"targets": targets, "labels": {}}]
    job = {
        "job_name": plan.kind,
        "metrics_path": "/probe",
        "params": {"module": [plan.kind]},
        "static_configs": each,
        "relabel_configs": relabel,
    }
    pace = {"scrape_interval": f"{plan.every_s}s", "scrape_timeout": f"{min(plan.every_s, 5)}s"}
    return json.dumps({"global": pace, "scrape_configs": [job]})


PROMETHEUS = System(
    "Prometheus + blackbox_exporter",
    ("prometheus", "prometheus-blackbox-exporter"),
    _commands,
    flood=800,
    most=2000,
)
