"""What was found becomes what would be written: pure, and each item with its reason.

What needs a right or a page that must be given first is written as a comment, with what to do: an item whose
target is unknown from the start would only raise alerts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from agent.discovery import shipped as fitting
from agent.discovery.finding import Findings
from agent.discovery.groups import groups
from agent.discovery.ports import ports
from agent.discovery.quote import Value
from agent.discovery.shipped import Shipped
from agent.discovery.standing import LOGS
from agent.discovery.suggestion import Item, Suggestion, judged
from agent.discovery.within import within
from agent.sight.bundle import BUNDLE_NAME
from probes import BY_NAME
from probes.host.textfile import Options as TextfileOptions

_HOW_TO_PING: Final[tuple[str, ...]] = (
    "Write at the top of this file: pings: {key: 16 or more letters and digits}",
    "At the end of the job: && curl -fsS http://127.0.0.1:9465/ping/KEY/NAME",
)

KNOWN: Final = (*BY_NAME, BUNDLE_NAME)

_LINES: Final = {
    "nginx": ("nginx-grave", r"\[(emerg|alert|crit)\]"),
    "postgres": ("postgres-grave", r"\b(FATAL|PANIC):"),
    "mysql": ("mysql-error", r"\[ERROR\]"),
    "redis": ("redis-warning", r"^[0-9]+:[A-Z] .* # "),
}
"""What a line of trouble looks like in the log of a service, each with a name for it."""

assert _LINES.keys() == LOGS.keys(), "each log that is looked for has its lines"


def suggest(findings: Findings, ships: Shipped, known: Collection[str] = KNOWN) -> Suggestion:
    """Return all that fits; a probe that is not ``known`` is never suggested."""
    items = (
        *_host(findings),
        *_kernel(findings),
        *ports(findings),
        *within(findings),
        *groups(findings),
        *_certificates(findings),
        *_logs(findings),
        *_gateway(findings),
        *_heartbeats(findings),
    )
    kept = judged(items, known)
    packs = fitting.packs(ships, kept.entries, findings)
    playbooks = fitting.playbooks(ships, packs, kept.entries, findings)
    return Suggestion(kept.items, packs, playbooks, kept.left_out, findings.unseen)


def _host(findings: Findings) -> Iterator[Item]:
    held = ", ".join(map(str, findings.mounts)) or "no disks of its own"
    systemd = "systemd's units and timers, " if findings.units is not None else ""
    yield Item(
        BUNDLE_NAME, {}, f"the host itself: processors, memory, network, {systemd}and what is mounted: {held}"
    )
    if findings.textfiles:
        usual = tuple(str(tree.path) for tree in TextfileOptions().directories)
        options: dict[str, Value] = {"directories": (*usual, *findings.textfiles)}
        yield Item("textfile", options, "a node_exporter takes metrics of other programs from there")


def _kernel(findings: Findings) -> Iterator[Item]:
    if findings.kernel_log == "kmsg":
        yield Item("kmsg", {}, "this user may read the kernel's log: out of memory, hung tasks, broken disks")
    elif findings.kernel_log == "journal":
        reason = (
            "this user may read the kernel's entries in the journal: out of memory, hung tasks, broken disks"
        )
        yield Item("journal", {"kernel": True}, reason)


def _certificates(findings: Findings) -> Iterator[Item]:
    if findings.certificates:
        paths = tuple(one.path for one in findings.certificates)
        yield Item("cert_file", {"paths": paths}, "; ".join(one.reason for one in findings.certificates))


def _logs(findings: Findings) -> Iterator[Item]:
    for service, (pattern, regex) in _LINES.items():
        paths = tuple(one.path for one in findings.logs if one.service == service)
        if paths:
            options: dict[str, Value] = {"paths": paths, "patterns": ({"pattern": pattern, "regex": regex},)}
            yield Item("log", options, f"the log of {service}, and the lines in it that tell of trouble")


def _gateway(findings: Findings) -> Iterator[Item]:
    if findings.gateway:
        yield Item(
            "icmp",
            {"target": findings.gateway},
            f"{findings.gateway} is the gateway; when it is silent, this host's own network is to be doubted",
            {"name": "gateway"},
            active=False,
            first=("If it answers pings, add at the top of this file: doubt: {references: [gateway]}",),
        )


def _heartbeats(findings: Findings) -> Iterator[Item]:
    first = _HOW_TO_PING
    for job in findings.jobs:
        options = {"name": job.name, "schedule": job.schedule}
        yield Item("heartbeat", options, f"{job.file} runs {job.name}", active=False, first=first)
        first = ("Pinged as above.",)
    if not findings.jobs:
        options = {"name": "nightly-backup", "schedule": "0 3 * * *"}
        yield Item(
            "heartbeat", options, "a job that must run now and then, for example", active=False, first=first
        )
