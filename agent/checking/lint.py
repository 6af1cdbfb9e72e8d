"""What is seldom meant in the files of an agent: in rules alone, and between rules, probes and playbooks."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import rules.packs
from agent import own
from agent.checking.customer_words import misspoken
from agent.config import Installation
from model.duration import Duration
from model.matcher import Matcher
from model.misfit import Misfit
from remediations.writing.playbook import Playbook
from rules.file import AlertingRule, RecordingRule, Rule, RuleFile
from rules.lint.lint import FILE_LINTS, Finding, lint_file
from rules.reach import ALERTS, ALERTS_FOR_STATE

METRICS: Final = "unknown-metrics"
PLAYBOOKS: Final = "idle-playbooks"
RETENTION: Final = "retention"
WORDS: Final = "words-for-customers"
LINTS: Final = (*FILE_LINTS, METRICS, PLAYBOOKS, RETENTION, WORDS)

_ALWAYS: Final = frozenset(
    {"up", "scrape_duration_seconds", "scrape_samples_scraped", ALERTS, ALERTS_FOR_STATE}
)
_PACKS: Final = tuple(rules.packs.__path__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what ``beforehand check`` takes for its lints."""
    parser.add_argument(
        "--lint",
        default="all",
        metavar="NAMES",
        help=f"what to warn of: all, none, or some of {', '.join(LINTS)}",
    )
    parser.add_argument("--lint-fatal", action="store_true", help="end with exit code 3 where lint warns")


def chosen(words: str) -> tuple[str, ...]:
    """Return the lints that ``--lint`` names: all, none, or names with commas; or raise ``Misfit``."""
    if words in ("all", "none"):
        return LINTS if words == "all" else ()
    names = tuple(word.strip() for word in words.split(","))
    unknown = [name for name in names if name not in LINTS]
    if unknown:
        raise Misfit(f"there is no lint {unknown[0]!r}", f"the lints are {', '.join(LINTS)}, all and none")
    return names


def lint_rules(file: RuleFile, names: Sequence[str]) -> list[Finding]:
    """Return what these lints find in one file of rules."""
    found = lint_file(file, names)
    return [*found, *misspoken(file, WORDS)] if WORDS in names else list(found)


def lint_installation(installation: Installation, names: Sequence[str]) -> list[Finding]:
    """Return what these lints find in all that an agent.yaml names."""
    found = [finding for file in installation.rule_files for finding in lint_rules(file, names)]
    if METRICS in names:
        found += _unknown_metrics(installation)
    if RETENTION in names:
        found += _short_sighted(installation)
    if PLAYBOOKS in names:
        alerts = [rule for rule in _rules(installation.rule_files) if isinstance(rule, AlertingRule)]
        found += (finding for book in installation.playbooks for finding in _idle(book, alerts))
    return sorted(found)


def _unknown_metrics(installation: Installation) -> Iterator[Finding]:
    """Find selectors of metrics that nothing here writes; the packs that ship may speak of more."""
    probes = [entry.probe for entry in installation.config.probes]
    if any(not probe.emits for probe in probes):
        return  # Such a probe brings what its target says.
    known = {metric.name for probe in probes for metric in probe.emits} | {metric.name for metric in own.ALL}
    known |= _ALWAYS
    known |= {rule.record for rule in _rules(installation.rule_files) if isinstance(rule, RecordingRule)}
    for file in installation.rule_files:
        if not file.file.startswith(_PACKS):
            for rule in _rules([file]):
                yield from _unknown(rule, known)


def _unknown(rule: Rule, known: Iterable[str]) -> Iterator[Finding]:
    for name in sorted(rule.expr.query.metrics - {""} - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        cure = f"did you mean {near[0]!r}?" if near else "add the probe that brings it"
        sentence = f"{rule.name[:60]!r} reads {name!r}, which no probe here brings and no rule records"
        yield Finding(rule.place, METRICS, sentence, cure)


def _short_sighted(installation: Installation) -> Iterator[Finding]:
    """Find rules that look further back than samples are kept; in the packs that ship, that is known."""
    retention = installation.config.retention
    for file in installation.rule_files:
        if file.file.startswith(_PACKS):
            continue
        for rule in _rules([file]):
            for read in rule.expr.query.beyond(retention.ms)[:1]:
                sentence = (
                    f"{rule.name[:60]!r} looks back {Duration(read.back_ms)}, samples are kept {retention}"
                )
                yield Finding(rule.place, RETENTION, sentence, "raise retention:, or give it to a Prometheus")


def _idle(book: Playbook, alerts: Sequence[AlertingRule]) -> Iterator[Finding]:
    """Find a playbook that no alert can trigger, and say which matcher keeps the nearest alert from it."""
    misses: list[tuple[float, str, Matcher, str]] = []
    for matchers in book.on:
        for rule in alerts:
            labels = _fixed(rule)
            against = [m for m in matchers.each if m.label in labels and not m.matches(labels)]
            if not against:
                return
            # An alert of another name is further away than one with another label.
            other_name = any(matcher.label == "alertname" for matcher in against)
            alike = difflib.SequenceMatcher(None, rule.name, against[0].value).ratio()
            miss = against[0]
            misses.append((len(against) + other_name - alike / 2, rule.name, miss, labels[miss.label]))
    sentence = f"no alert here can trigger the playbook {book.playbook!r}"
    cure = "load the rule that it is for"
    if misses:
        _, name, matcher, value = min(misses, key=lambda miss: miss[:2])
        cure = f"the nearest is {name!r}, but {matcher} does not match {matcher.label}={value!r}"
    yield Finding(book.place, PLAYBOOKS, sentence, cure)


def _fixed(rule: AlertingRule) -> Mapping[str, str]:
    """Return the labels whose values are known beforehand; any other may be anything."""
    known = {name: template.fixed for name, template in rule.labels.each}
    return {name: value for name, value in known.items() if value is not None} | {"alertname": rule.name}


def _rules(files: Iterable[RuleFile]) -> Iterator[Rule]:
    return (rule for file in files for group in file.groups for rule in group.rules.each)
