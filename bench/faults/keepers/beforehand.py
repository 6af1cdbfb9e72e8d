"""Our agent, with playbooks whose guards are the usual ones, and a rule for each thing that can go wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.faults.keepers import Keeper, Kept
from bench.faults.subject import Subject
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.running import Daemon
from tests.e2e.web import get

WATCHED_S: Final = 20.0

_AGENT: Final = """
instance: host
listen: {listen}
rules: [rules.yml]
playbooks: ["playbooks/*.yml"]
evaluation_interval: 1s
warm_up: {{boot: 0s, start: 0s}}
probes:
"""
_NGINX_PROBES: Final = """
- {{process: {{group: kept, pidfile: {pidfile}}}, every: 1s, labels: {{service: shop}}}}
- {{http: {{target: "http://{port}/"}}, every: 1s, timeout: 500ms, labels: {{service: shop, part: page}}}}
- {{tcp: {{target: "{upstream}"}}, name: upstream, every: 1s, timeout: 500ms, labels: {{service: upstream}}}}
- {{tls: {{target: "{tls}"}}, name: shown, every: 1s, timeout: 500ms, labels: {{service: shop}}}}
- {{filesystem: {{mount_points_include: "^{logs}$", procfs: {procfs}}}, every: 1s, labels: {{service: shop}}}}
"""
_REDIS_PROBES: Final = """
- {{process: {{group: kept, pidfile: {pidfile}}}, every: 1s, labels: {{service: store}}}}
- {{redis: {{target: "{port}"}}, every: 1s, timeout: 500ms, labels: {{service: store}}}}
"""
_RULES: Final = """
groups:
- name: kept
  interval: 1s
  rules:
  - {alert: Gone, expr: 'beforehand_process_count{group="kept"} == 0'}
  - {alert: Fails, expr: 'probe_success{part="page"} == 0', for: 2s}
  - {alert: UpstreamDown, expr: 'probe_success{service="upstream"} == 0'}
  - {alert: Expired, expr: 'probe_ssl_earliest_cert_expiry < time()'}
  - {alert: LogsFull, expr: 'node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1'}
  - {alert: MemoryFull, expr: 'redis_memory_used_bytes / redis_memory_max_bytes > 0.95'}
"""
_HEAD: Final = "playbook: {name}\nsummary: For the bench.\non: ['{on}']\nmode: auto\n"
_PLAYBOOKS: Final = {
    "restart": (
        'alertname=~"Gone|Fails"',
        """guard: {{unless: ['alertname="UpstreamDown"']}}
steps:
- service:
    name: kept
    state: restarted
    systemd: false
    pidfile: {pidfile}
    exe: {exe}
    check: {check}
    start: [{do}, start]
    stop: [{do}, stop]
verify: {{expr: '{well}', within: 8s, hold: 2s}}
""",
    ),
    "renew": (
        'alertname="Expired"',
        """steps:
- renew_certificate: {{certificate: {folder}/shown.pem, tool: cmd, argv: [{do}, renew]}}
verify: {{within: 8s, hold: 2s}}
""",
    ),
    "clean": (
        'alertname="LogsFull"',
        """steps:
- free_space:
    path: {logs}
    target_free: 15%
    strategies:
    - remove_old: {{roots: [{logs}], patterns: ["access.log.*"], age: 1d}}
verify: {{within: 8s, hold: 2s}}
""",
    ),
    "relieve": (
        'alertname="MemoryFull"',
        """steps:
- command: {{argv: [{do}, relieve]}}
verify: {{within: 8s, hold: 2s}}
""",
    ),
}


@contextmanager
def keeping(one: Subject) -> Iterator[Kept]:
    """Start the subject and our agent."""
    port = Port.free()
    _write(one, port)
    one.act("start")
    words = ("agent", "--config", str(one.folder / "agent.yaml"), "--state", str(one.folder / "state"))
    argv = (sys.executable, "-m", "agent.cli", *words)
    daemon = Daemon(argv, one.folder / "agent.log", port.number, "/-/healthy")
    try:
        daemon.start()
        until(lambda: _sees(port), WATCHED_S, "the agent watches", daemon.tail)
        yield Kept(lambda: one.nginx("-s", "quit"), lambda: f"{daemon.tail(15)}\n{_told(port)}")
    finally:
        daemon.stop()
        port.close()


def _told(port: Port) -> str:
    """Return what the agent says of its runs, and of those that a guard refused."""
    refused = [
        line
        for line in get(port.number, "/metrics").text.splitlines()
        if line.startswith("beforehand_remediation_refused_total")
    ]
    return "\n".join([get(port.number, "/api/v1/runs").text, *refused])


def _sees(port: Port) -> bool:
    metrics = get(port.number, "/metrics").text
    return 'beforehand_process_count{group="kept"' in metrics and "beforehand_rule" in metrics


def _write(one: Subject, port: Port) -> None:
    procfs = one.folder / "proc"
    procfs.mkdir()
    # The mounts of the bench are its own, so those of process 1 are not the ones to look at.
    (procfs / "self").symlink_to("/proc/self")
    nginx = one.name == "nginx"
    check = [*one.argv, "-t"] if nginx else ["/bin/true"]
    well = 'probe_success{part="page"} == 1' if nginx else "redis_up == 1"
    words = {
        "listen": port, "pidfile": one.pidfile, "port": one.port, "upstream": one.upstream.port,
        "tls": one.tls, "logs": one.logs, "procfs": procfs, "do": one.do, "exe": one.exe,
        "folder": one.folder, "check": check, "well": well,
    }  # fmt: skip
    probes = _NGINX_PROBES if nginx else _REDIS_PROBES
    (one.folder / "agent.yaml").write_text((_AGENT + probes).format(**words))
    (one.folder / "rules.yml").write_text(_RULES)
    (one.folder / "playbooks").mkdir()
    for name, (on, rest) in _PLAYBOOKS.items():
        text = (_HEAD + rest).format(name=name, on=on, **words)
        (one.folder / f"playbooks/{name}.yml").write_text(text)


BEFOREHAND: Final = Keeper("Beforehand", keeping)
