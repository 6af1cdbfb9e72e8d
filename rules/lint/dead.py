"""Selectors that match nothing: a typo in a metric's name must be found by the program, not by an outage.

Reported is a selector that matched before and does not now, or that has matched nothing for a day. Not
reported is what may rightly match nothing: what stands in ``absent``, what rules or the agent itself write
only at times, and what a target would bring that cannot be seen. The packs that ship speak of more than a
host has, so that only what they lost counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Final

import rules.packs
from model.labels import Labels
from model.matcher import Matcher
from rules.file import RecordingRule, Rule, RuleFile
from rules.promql.syntax import Call, MatrixSelector, Node, VectorSelector, children
from rules.reach import ALERTS, ALERTS_FOR_STATE
from rules.store.store import LOOKBACK_MS, Selector, Store

LOOK_EVERY_MS: Final = 60_000
LOOKS_MAX: Final = 20
DEAD_AFTER_MS: Final = 86_400_000
REPORTED_MAX: Final = 100

_ABSENT: Final = frozenset({"absent", "absent_over_time"})
_PACKS: Final = tuple(rules.packs.__path__)


@dataclass(frozen=True, slots=True)
class Dead:
    """A selector that matches nothing; ``nearest`` is what it may have meant, if anything is like it."""

    file: str
    group: str
    rule: str
    selector: str
    reason: str
    nearest: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A selector of a rule, and how far back it reads."""

    file: str
    group: str
    rule: str
    selector: Selector
    back_ms: int

    @property
    def text(self) -> str:
        """The selector as it would be written."""
        inner = ", ".join(map(str, self.selector.matchers))
        return f"{self.selector.name}{{{inner}}}" if inner else self.selector.name

    @property
    def shipped(self) -> bool:
        """Whether the rule is one of the packs that ship."""
        return self.file.startswith(_PACKS)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same selector after a reload."""
        return (self.file, self.group, self.rule, self.text)


@dataclass(slots=True)
class _Past:
    """What is remembered of a selector; ``first_ms`` is when it was first looked at."""

    watched: Watched
    first_ms: int | None = None
    looked_ms: int = -LOOK_EVERY_MS
    missing: bool = False
    matched: bool = False
    dead: Dead | None = None


class DeadSelectors:
    """Looks at the selectors of all rules, each once a minute, a few at a time; used by one thread.

    ``sometimes`` are metrics that are rightly written only at times.
    """

    def __init__(self, files: Iterable[RuleFile], sometimes: frozenset[str]) -> None:
        self._sometimes = sometimes
        self._past: dict[tuple[str, ...], _Past] = {}
        self.watch(files)

    def watch(self, files: Iterable[RuleFile]) -> None:
        """Watch the selectors of these rules, as after a reload; what stays the same is still known."""
        groups = [(file.file, group) for file in files for group in file.groups]
        all_rules = [(file, group.name, rule) for file, group in groups for rule in group.rules.each]
        written = {rule.record for _, _, rule in all_rules if isinstance(rule, RecordingRule)}
        passed = {*self._sometimes, *written, ALERTS, ALERTS_FOR_STATE, ""}
        known, self._past = self._past, {}
        for file, group, rule in all_rules:
            for watched in _watched(file, group, rule):
                if watched.selector.name not in passed:
                    past = known.get(watched.key) or _Past(watched)
                    past.watched = watched
                    self._past[watched.key] = past

    def look(self, store: Store, now_ms: int, hidden: Iterable[frozenset[str]]) -> None:
        """Look at the selectors whose minute is over, some of them at each call.

        ``hidden`` are the metrics of each target that cannot be seen; none named stands for any.
        """
        due = [past for past in self._past.values() if now_ms - past.looked_ms >= LOOK_EVERY_MS]
        unseen = tuple(hidden)
        for past in nsmallest(LOOKS_MAX, due, key=lambda past: past.looked_ms):
            past.looked_ms = now_ms
            past.first_ms = now_ms if past.first_ms is None else past.first_ms
            if not any(not brought or past.watched.selector.name in brought for brought in unseen):
                _look(past, store, now_ms)

    def dead(self) -> tuple[Dead, ...]:
        """Return what is to be reported now."""
        found = (past.dead for past in self._past.values() if past.dead is not None)
        return tuple(islice(found, REPORTED_MAX))


def _look(past: _Past, store: Store, now_ms: int) -> None:
    """Take note of whether a selector matches now; twice without a match is no accident."""
    selector = past.watched.selector
    if _matches(past.watched, store, now_ms):
        past.matched, past.missing, past.dead = True, False, None
        return
    past.matched = past.matched or bool(store.select(selector))
    reason = ""
    if past.matched and past.missing:
        reason = "matches nothing, though it did before"
    elif not past.matched and not past.watched.shipped and now_ms - (past.first_ms or 0) >= DEAD_AFTER_MS:
        reason = "has matched nothing for a day"
    past.missing = True
    if reason and past.dead is None:
        watched, nearest = past.watched, "" if past.matched else _nearest(selector, store)
        past.dead = Dead(watched.file, watched.group, watched.rule, watched.text, reason, nearest)


def _watched(file: str, group: str, rule: Rule) -> Iterator[Watched]:
    """Yield the selectors of a rule, but those that ask whether something is missing."""
    query = rule.expr.query
    passed = _in_absent(query.tree)
    for read in query.reads:
        if read.at not in passed:
            yield Watched(file, group, rule.name, read.selector, max(read.back_ms, LOOKBACK_MS))


def _in_absent(tree: Node) -> set[int]:
    """Return where the selectors stand that ask whether something is missing."""
    found: set[int] = set()
    left = [(tree, False)]
    while left:
        node, inside = left.pop()
        inside = inside or (isinstance(node, Call) and node.function in _ABSENT)
        if inside and isinstance(node, VectorSelector | MatrixSelector):
            found.add(node.at)
        left += ((child, inside) for child in children(node))
    return found


def _matches(one: Watched, store: Store, now_ms: int) -> bool:
    if one.back_ms <= LOOKBACK_MS:
        return bool(store.values_at(one.selector, now_ms))
    return any(True for _ in store.windows(one.selector, now_ms - one.back_ms, now_ms))


def _nearest(selector: Selector, store: Store) -> str:
    """Return the metric or the matcher that may have been meant, or the empty text."""
    of_name = store.select(Selector(selector.name, ()))
    if not of_name:
        names = {series.labels.name for series in store.select(Selector("", ()))}
        near = difflib.get_close_matches(selector.name, names, n=1)
        return near[0] if near else ""
    labels: list[Labels] = [series.labels for series in of_name]
    return next((_other(matcher, labels) for matcher in selector.matchers if _fails(matcher, labels)), "")


def _fails(matcher: Matcher, labels: Iterable[Mapping[str, str]]) -> bool:
    return not any(matcher.matches(each) for each in labels)


def _other(matcher: Matcher, labels: Iterable[Labels]) -> str:
    values = sorted({each.get(matcher.label) for each in labels} - {""})
    if not values:
        return ""
    near = difflib.get_close_matches(matcher.value, values, n=1) or values[:1]
    return f'{matcher.label}="{near[0]}"'
