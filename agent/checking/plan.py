"""What a reload would change: rules, probes and, above all, alerts that would end or change who they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from agent.config import Installation
from agent.running import Active, Running, RunningRule, Unheard
from agent.sight.senses import target_of
from model.alert import Alert
from model.duration import Duration
from model.labels import Labels
from rules.file import AlertingRule, Group, Rule
from rules.lifecycle import identity
from rules.promql import Point
from rules.restore import belongs
from rules.template.value import View

Ask = Callable[[str], tuple[Point, ...]]
Sign = Literal["+", "-", "~", "!"]

_TEXT_MAX: Final = 160

Old = TypeVar("Old")
New = TypeVar("New")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a reload would do: add, drop, change, or end an alert."""

    sign: Sign
    sentence: str

    def __str__(self) -> str:
        return f"{self.sign} {printable(self.sentence)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change in the order told, and what the host would then carry."""

    changes: tuple[Change, ...]
    budget: str = ""

    def summary(self) -> str:
        """Return the counts in one sentence."""
        if not self.changes:
            return "nothing would change"
        words = {"+": "added", "~": "changed", "-": "dropped", "!": "about alerts"}
        counts = {sign: sum(change.sign == sign for change in self.changes) for sign in words}
        return ", ".join(f"{count} {words[sign]}" for sign, count in counts.items() if count)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A rule of the files, with the group that it stands in."""

    rule: Rule
    group: Group
    file: str
    interval_ms: int


def plan(running: Running, installation: Installation, hostname: str, ask: Ask) -> Plan:
    """Compare an agent at work with files; ``ask`` evaluates an expression there or raises ``Unheard``."""
    planned = _planned(installation)
    pairs, dropped, added = _paired(running.rules, planned)
    changes = [
        *(_told(old, new) for old, new in pairs if _differences(old, new)),
        *_rules_and_alerts(pairs, dropped, added, ask),
        *_groups(pairs),
        *_probes(running, installation, hostname),
    ]
    order = {sign: at for at, sign in enumerate("+~-!")}
    changes.sort(key=lambda change: order[change.sign])
    config = installation.config
    budget = (
        f"probes {len(running.probes)} -> {len(config.probes)},"
        f" rules {len(running.rules)} -> {len(planned)},"
        f" series now {running.series} of at most {config.series_max}"
    )
    return Plan(tuple(changes), budget)


def plan_of_start(alerts: Iterable[Alert], installation: Installation) -> Plan:
    """Compare the alerts that a stopped agent left with the rules that it would start with."""
    rules = [each.rule for each in _planned(installation) if isinstance(each.rule, AlertingRule)]
    sentence = "no rule has its name and labels any more; it would end"
    changes = [
        Change("!", f"{alert.labels} is {alert.state}: {sentence}")
        for alert in alerts
        if not any(belongs(rule, alert) for rule in rules)
    ]
    return Plan(tuple(changes))


def printable(text: str) -> str:
    """Return a text in which what a host said cannot move the cursor."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _planned(installation: Installation) -> list[_Planned]:
    default_ms = installation.config.evaluation_interval.ms
    return [
        _Planned(rule, group, file.file, (group.interval.ms if group.interval else 0) or default_ms)
        for file in installation.rule_files
        for group in file.groups
        for rule in group.rules.each
    ]


def _paired(
    running: Iterable[RunningRule], planned: Iterable[_Planned]
) -> tuple[list[tuple[RunningRule, _Planned]], list[RunningRule], list[_Planned]]:
    """Let each rule of the files take over from its like, as the judge does: in its group, then anywhere."""
    pairs: list[tuple[RunningRule, _Planned]] = []
    left, heirs = list(running), list(planned)
    for same_group in (True, False):
        known: dict[object, list[RunningRule]] = {}
        for old in reversed(left):
            place = (old.file, old.group) if same_group else ()
            known.setdefault((place, old.alerting, old.name, _pairs(old.labels)), []).append(old)
        waiting, heirs = heirs, []
        for new in waiting:
            place = (new.file, new.group.name) if same_group else ()
            alerting = isinstance(new.rule, AlertingRule)
            olds = known.get((place, alerting, new.rule.name, _pairs(new.rule.labels.texts())))
            if olds:
                pairs.append((olds.pop(), new))
            else:
                heirs.append(new)
        left = [old for olds in known.values() for old in olds]
    return pairs, left, heirs


def _pairs(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _told(old: RunningRule, new: _Planned) -> Change:
    return Change("~", f"rule {old.name} ({new.rule.place}): {'; '.join(_differences(old, new))}")


def _differences(old: RunningRule, new: _Planned) -> list[str]:
    """Say in what a rule differs from the one that it takes over from."""
    rule = new.rule
    found = [] if old.expr == rule.expr.text else [f"expr {_short(old.expr)} -> {_short(rule.expr.text)}"]
    if isinstance(rule, AlertingRule):
        found += _moved("for", Duration(old.for_ms), rule.for_)
        found += _moved("keep_firing_for", Duration(old.keep_firing_for_ms), rule.keep_firing_for)
        texts = rule.annotations.texts()
        names = sorted(
            name for name in {*texts, *old.annotations} if texts.get(name) != old.annotations.get(name)
        )
        found += [f"annotations {', '.join(names)}"] if names else []
    return found


def _moved(name: str, before: object, after: object) -> list[str]:
    return [f"{name} {before} -> {after}"] if before != after else []


def _groups(pairs: Iterable[tuple[RunningRule, _Planned]]) -> Iterator[Change]:
    """Say once of each group what it changes for all its rules."""
    told = set()
    for old, new in pairs:
        found = [
            *_moved("name", old.group, new.group.name),
            *_moved("interval", Duration(old.interval_ms), Duration(new.interval_ms)),
            *_moved("limit", old.limit, new.group.limit),
        ]
        if found and (old.file, old.group) not in told:
            told.add((old.file, old.group))
            yield Change("~", f"group {old.group} ({new.group.place}): {'; '.join(found)}")


def _rules_and_alerts(
    pairs: Iterable[tuple[RunningRule, _Planned]],
    dropped: Iterable[RunningRule],
    added: Sequence[_Planned],
    ask: Ask,
) -> Iterator[Change]:
    heirs = list(added)
    for old in dropped:
        alike = (new for new in heirs if new.rule.name == old.name and isinstance(new.rule, AlertingRule))
        heir = next(alike, None) if old.alerting else None
        if heir is not None and isinstance(heir.rule, AlertingRule):
            heirs.remove(heir)
            labels = sorted(set(_pairs(old.labels)) ^ set(_pairs(heir.rule.labels.texts())))
            names = ", ".join(dict.fromkeys(name for name, _ in labels))
            yield Change("~", f"rule {old.name} ({heir.rule.place}): labels {names}")
            yield from _named_anew(old, heir.rule, ask)
            continue
        yield Change("-", f"rule {old.name} ({old.file}, group {old.group})")
        for alert in old.active:
            end = "would resolve" if alert.firing else "would be dropped"
            yield Change("!", f"{alert.labels} {_state(alert)}: {end}, its rule goes")
    for new in heirs:
        yield Change("+", f"rule {new.rule.name} ({new.rule.place})")
        if isinstance(new.rule, AlertingRule):
            yield from _first_alerts(new.rule, ask)
    for old, new in pairs:
        if isinstance(new.rule, AlertingRule) and old.expr != new.rule.expr.text:
            yield from _judged_anew(old, new.rule, ask)


def _named_anew(old: RunningRule, rule: AlertingRule, ask: Ask) -> Iterator[Change]:
    """Say of each alert as whom it would go on, since its rule's labels are part of what it is."""
    own = {*old.labels, *(name for name, _ in rule.labels.each)}
    try:
        found = {labels.without(own): labels for labels in _identities(rule, ask)}
    except Unheard as unheard:
        found = {}
        yield Change("!", f"what {rule.name} would find cannot be told: {unheard}")
    for alert in old.active:
        after = found.pop(alert.labels.without(own), None)
        end = f"would end and begin anew as {after}" if after else "would resolve"
        yield Change("!", f"{alert.labels} {_state(alert)}: {end}, its rule's labels change")
    for labels in found.values():
        yield _begins(rule, labels)


def _judged_anew(old: RunningRule, rule: AlertingRule, ask: Ask) -> Iterator[Change]:
    """Say which alerts the new expression does not find any more, and which it finds first."""
    try:
        found = set(_identities(rule, ask))
    except Unheard as unheard:
        yield Change("!", f"what {rule.name} would find cannot be told: {unheard}")
        return
    for alert in old.active:
        if alert.labels in found or alert.unknown:
            continue
        kept = f" after {rule.keep_firing_for}" if rule.keep_firing_for.ms and alert.firing else ""
        end = "would resolve" if alert.firing else "would be dropped"
        yield Change("!", f"{alert.labels} {_state(alert)}: {end}{kept}, the new expr does not find it")
    known = {alert.labels for alert in old.active}
    for labels in sorted(found - known, key=lambda each: each.pairs):
        yield _begins(rule, labels)


def _first_alerts(rule: AlertingRule, ask: Ask) -> Iterator[Change]:
    try:
        found = set(_identities(rule, ask))
    except Unheard as unheard:
        yield Change("!", f"what {rule.name} would find cannot be told: {unheard}")
        return
    for labels in sorted(found, key=lambda each: each.pairs):
        yield _begins(rule, labels)


def _begins(rule: AlertingRule, labels: Labels) -> Change:
    when = f"would fire after {rule.for_}" if rule.for_.ms else "would fire at once"
    return Change("!", f"{labels}: {when}")


def _identities(rule: AlertingRule, ask: Ask) -> Iterator[Labels]:
    """Return the labels of the alerts that a rule would have now."""
    for point in ask(rule.expr.text):
        yield identity(rule, View(point.labels, point.value))


def _probes(running: Running, installation: Installation, hostname: str) -> Iterator[Change]:
    """Say which probes come and go, and whose series would be called otherwise."""
    config = installation.config
    labels = dict(config.labels.each)
    wanted = {entry.name: target_of(entry, config.instance or hostname, labels) for entry in config.probes}
    for name in sorted(wanted.keys() - running.probes.keys()):
        yield Change("+", f"probe {name}")
    gone = sorted(running.probes.keys() - wanted.keys())
    for name in gone:
        yield Change("-", f"probe {name}")
    renamed = [
        name for name in sorted(wanted.keys() & running.probes.keys()) if wanted[name] != running.probes[name]
    ]
    for name in renamed:
        yield Change("~", f"probe {name}: its series change from {running.probes[name]} to {wanted[name]}")
    left = set(wanted.values())
    lost = [running.probes[name] for name in (*gone, *renamed) if running.probes[name] not in left]
    yield from _lost_alerts(running, lost)


def _lost_alerts(running: Running, lost: Sequence[Labels]) -> Iterator[Change]:
    for rule in running.rules:
        for alert in rule.active:
            carried = any(
                all(alert.labels.get(name) == value for name, value in target.pairs) for target in lost
            )
            if carried:
                sentence = "would end, the series that it rests on go"
                yield Change("!", f"{alert.labels} {_state(alert)}: {sentence}")


def _state(alert: Active) -> str:
    return "is firing" if alert.firing else "is pending"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_MAX else line[: _TEXT_MAX - 3] + "..."
