"""Which packs and playbooks fit a host: packs whose rules see something, playbooks that can be triggered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import remediations.playbooks
import rules.packs
from agent import own
from agent.config import ProbeEntry
from agent.discovery.finding import Findings
from agent.discovery.suggestion import Word
from remediations.actions import command, container, mount, release_open_deleted, service
from remediations.writing.playbook import Mode, Playbook, load_playbook
from rules.file import AlertingRule, RecordingRule, Rule, RuleFile, load_rules

ALWAYS: Final = ("host", "availability", "self")
"""The packs that hold where nothing is said."""

_BROUGHT: Final = frozenset({"up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", ""})


@dataclass(frozen=True, slots=True)
class Shipped:
    """What ships, by name."""

    packs: Mapping[str, RuleFile]
    playbooks: Mapping[str, Playbook]

    @classmethod
    def read(cls) -> Shipped:
        """Read all packs and playbooks that ship."""
        packs = {
            path.stem: load_rules(path.read_bytes(), str(path)) for path in _files(rules.packs.__path__[0])
        }
        playbooks = {
            path.stem: load_playbook(path.read_bytes(), str(path))
            for path in _files(remediations.playbooks.__path__[0])
        }
        return cls(packs, playbooks)


def _files(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).glob("*.yml") if not path.name.endswith(".test.yml"))


def packs(shipped: Shipped, entries: Iterable[ProbeEntry], findings: Findings) -> tuple[Word, ...]:
    """Return the packs of which at least one rule sees all that it reads, with how many do."""
    entries = tuple(entries)
    chosen = []
    for name, file in shipped.packs.items():
        alerts = [rule for rule in _rules(file) if isinstance(rule, AlertingRule)]
        sighted = seen(file, entries)
        if name in ALWAYS or (_speaks_of(sighted, entries) and _fits(name, entries, findings)):
            reason = f"{len(sighted)} of its {len(alerts)} alerts see here what they read"
            chosen.append(Word(name, reason))
    order = {name: at for at, name in enumerate(ALWAYS)}
    return tuple(sorted(chosen, key=lambda word: (order.get(word.name, len(order)), word.name)))


def seen(file: RuleFile, entries: Iterable[ProbeEntry]) -> tuple[AlertingRule, ...]:
    """Return the alerts of a pack that read nothing but what these probes and the agent bring."""
    known = {metric.name for entry in entries for metric in entry.probe.emits}
    known |= {metric.name for metric in own.ALL} | _BROUGHT
    known |= {rule.record for rule in _rules(file) if isinstance(rule, RecordingRule)}
    return tuple(
        rule for rule in _rules(file) if isinstance(rule, AlertingRule) and rule.expr.query.metrics <= known
    )


def _speaks_of(alerts: Iterable[AlertingRule], entries: Iterable[ProbeEntry]) -> bool:
    """Tell whether one of these alerts reads what one of these probes brings, and not the agent alone."""
    brought = {metric.name for entry in entries for metric in entry.probe.emits}
    return any(rule.expr.query.metrics & brought for rule in alerts)


def _rules(file: RuleFile) -> Iterator[Rule]:
    return (rule for group in file.groups for rule in group.rules.each)


def _fits(pack: str, entries: tuple[ProbeEntry, ...], findings: Findings) -> bool:
    """Tell whether a pack means what these probes bring: some metrics are those of several probes."""
    kinds = {entry.probe.name for entry in entries}
    if pack == "kernel-log":
        return bool(findings.kernel_log) and bool(kinds & {"kmsg", "journal"})
    if pack == "systemd":
        return findings.units is not None
    if pack == "certificates":
        return "cert_file" in kinds or any(one.speech == "https" for one in findings.listening)
    return True


def playbooks(
    shipped: Shipped, words: Iterable[Word], entries: Iterable[ProbeEntry], findings: Findings
) -> tuple[Word, ...]:
    """Return the playbooks that an alert of these packs can trigger, and those that act on what is not here.

    None that is taken acts by itself: the few that ship in mode auto are left to who wants that.
    """
    entries = tuple(entries)
    files = [shipped.packs[word.name] for word in words if word.name in shipped.packs]
    alerts = sorted({rule.name for file in files for rule in seen(file, entries)})
    chosen = []
    for name, playbook in shipped.playbooks.items():
        answered = [alert for alert in alerts if _answers(playbook, alert)]
        if not answered:
            continue
        strange = _strange(playbook, findings)
        reason = f"answers {', '.join(answered)}"
        if strange:
            chosen.append(
                Word(name, f"{reason}, but acts on {strange}, which is not here: copy it", taken=False)
            )
        elif playbook.mode is Mode.AUTO:
            chosen.append(Word(name, f"{reason}; it acts by itself: add it where you want that", taken=False))
        else:
            chosen.append(Word(name, f"{reason}; it proposes, and acts only in a copy with mode: auto"))
    return tuple(chosen)


def _answers(playbook: Playbook, alert: str) -> bool:
    """Tell whether an alert of this name may trigger a playbook; its other labels may be anything."""
    return any(
        all(
            matcher.matches({"alertname": alert}) for matcher in matchers.each if matcher.label == "alertname"
        )
        for matchers in playbook.on
    )


def _strange(playbook: Playbook, findings: Findings) -> str:
    """Return the first thing that a playbook acts on and that is not here; nothing where all are.

    A loop goes over usual names: it is at home where one of them is here.
    """
    for task in playbook.tasks:
        missing = [_missing(turn.options, findings) for turn in task.turns]
        if missing and all(missing):
            return missing[0] + (" and its like" if len(missing) > 1 else "")
    return ""


def _missing(options: object, findings: Findings) -> str:
    """Return what an action acts on where that is not here."""
    match options:
        case service.Options():
            return _no_service(options, findings)
        case container.Options():
            return f"the container {options.name}"  # a name that only stands for one
        case release_open_deleted.Options():
            return _no_unit(f"{options.service}.service", findings)
        case mount.Options():
            here = {one.mountpoint for one in findings.mounts}
            return "" if options.path in here else options.path
        case command.Options():
            unit = options.argv[-1] if options.argv[0] == "systemctl" else ""
            return _no_unit(unit, findings) if unit.endswith(".service") else ""
    return ""


def _no_service(options: service.Options, findings: Findings) -> str:
    unit = f"{options.name}.service"
    if not options.systemd or _no_unit(unit, findings):
        if options.pidfile and options.pidfile in {program.pidfile for program in findings.programs}:
            return ""
        return unit + (f" or {options.pidfile}" if options.pidfile else "")
    return ""


def _no_unit(unit: str, findings: Findings) -> str:
    return "" if findings.units is not None and unit in findings.units else unit
