"""The replay: rules over recorded samples in simulated time, by the state machine that the agent runs.

Every rule is judged at its group's slots and whenever a timer of one of its alerts ends, by the same
``JudgedRule`` over the same store as in the agent. What makes it fast is what is left out: moments at which a
rule is provably as silent, or fires as steadily, as before; and recording rules that nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from model.alert import Alert, AlertState
from model.labels import Labels
from rules import lifecycle
from rules.backtest.episode import Episode, Episodes
from rules.backtest.outlook import Outlook, Unforeseeable
from rules.backtest.recording import PAGE_MS, Page, Sheet
from rules.backtest.records import Recorder, Records
from rules.backtest.seen import Prospect, Seen
from rules.backtest.sight import Sight
from rules.backtest.slots import Slots
from rules.backtest.span import Span
from rules.file import AlertingRule, Group, RuleFile
from rules.judged import JudgedRule
from rules.promql.dialect import PROMETHEUS
from rules.reach import ALERTS, ALERTS_FOR_STATE, ANY, Reach
from rules.store.store import Store

SERIES_MAX: Final = 200_000

# Probes that run side by side write their rows a little out of order.
LATE_MS: Final = 60_000

# Foreseeing costs about as much as judging a few times, so that a shorter span is not worth it.
WORTH_SLOTS: Final = 12

_OF_ALERTS: Final = frozenset((ALERTS, ALERTS_FOR_STATE, ANY))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one alerting rule; ``judged`` counts the moments at which it had to be evaluated."""

    rule: AlertingRule
    group: Group
    file: str
    episodes: tuple[Episode, ...]
    near: int
    dropped: int
    judged: int
    failed: int
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An alerting rule with its alerts; ``sources`` are the metrics behind it, also through other rules."""

    rule: AlertingRule
    group: Group
    file: str
    interval_ms: int
    alerts: tuple[Alert, ...]
    error: str
    evaluated_ms: int | None
    sources: frozenset[str]


@dataclass(slots=True, eq=False)
class _Player:
    """One alerting rule at work.

    Up to ``proven_ms`` it is known to change nothing; up to ``doubtful_ms`` that could not be foreseen.
    """

    judged: JudgedRule
    rule: AlertingRule
    slots: Slots
    own: frozenset[str]
    sources: frozenset[str]
    plain: bool
    next_ms: int = 0
    episodes: Episodes = field(default_factory=Episodes)
    proven_ms: int = 0
    doubtful_ms: int = 0
    stride_ms: int = PAGE_MS

    @property
    def offset_ms(self) -> int:
        """How far before its slot it looks."""
        offset = self.judged.group.query_offset
        return offset.ms if offset else 0


class Replay:
    """Some rule files over one recording; rows in through ``take``, judged up to a time by ``judge``.

    ``interval_ms`` holds for groups that name none. With ``thorough`` every slot is judged.
    """

    def __init__(self, files: Iterable[RuleFile], interval_ms: int, *, thorough: bool = False) -> None:
        self._thorough = thorough
        placed = [
            (rule, group, file.file, Slots.of(group, file.file, interval_ms))
            for file in files
            for group in file.groups
            for rule in group.rules.each
        ]
        self._sight = Sight()
        self._store = Store(PAGE_MS, SERIES_MAX)
        self._records = Records(
            [
                Recorder(JudgedRule(rule, group, file), slots)
                for rule, group, file, slots in placed
                if not isinstance(rule, AlertingRule)
            ],
            self._store,
            self._sight,
        )
        self.interval_ms = min((slots.interval_ms for _, _, _, slots in placed), default=interval_ms)
        """The shortest interval of its groups."""
        reach = Reach([rule for rule, _, _, _ in placed])
        self._players = [
            _Player(
                JudgedRule(rule, group, file),
                rule,
                slots,
                frozenset(name for name, _ in rule.labels.each),
                reach.sources(index),
                all(template.fixed is not None for _, template in rule.labels.each),
            )
            for index, (rule, group, file, slots) in enumerate(placed)
            if isinstance(rule, AlertingRule)
        ]
        self._readers = [player for player in self._players if player.sources & _OF_ALERTS]
        self._seen = Seen(self._store)
        self._outlook = Outlook(self._seen, self._records.known())
        # What a recording holds under these names was written by other rules, or by an older state of these.
        self._recorded = frozenset(self._records.known()) | {ALERTS, ALERTS_FOR_STATE}
        queries = [player.rule.expr.query for player in self._players]
        self.lookback_ms = max((self._records.lookback_ms(query) for query in queries), default=0)
        """How far before the first moment it wants to be told of samples."""
        self.metrics = self._records.raw(frozenset().union(*(query.metrics for query in queries)))
        """The metrics that it wants samples of; ``ANY`` among them stands for all."""
        self.selectors = self._records.selectors(queries)
        """The same as selectors, for a source that can be asked."""
        self._store.retention_ms = 2 * PAGE_MS + 2 * LATE_MS + self.lookback_ms
        self._judged_ms = 0

    def begin(self, since_ms: int) -> None:
        """Judge from this time on; samples from before are only looked back at."""
        for player in self._players:
            player.next_ms = player.slots.after(since_ms - 1)
        self._judged_ms = since_ms - self.lookback_ms

    def take(self, sheet: Sheet) -> None:
        """Learn of some rows of the recording."""
        self._sight.take(sheet)
        if sheet.key.name not in self._recorded:
            self._store.restore_columns(sheet.key, sheet.times, sheet.columns)

    def judge(self, until_ms: int) -> None:
        """Judge every rule up to this time, itself included."""
        if until_ms <= self._judged_ms:
            return
        self._records.keep_up(Span(self._judged_ms + 1, until_ms))
        for player in self._players:
            if player not in self._readers:
                while player.next_ms <= until_ms:
                    self._step(player, until_ms)
        # Who reads alerts must find those of the same moment, also those of others who read alerts.
        while self._readers:
            player = min(self._readers, key=lambda one: one.next_ms)
            if player.next_ms > until_ms:
                break
            self._step(player, until_ms)
        self._judged_ms = until_ms
        self._seen.forget()

    def results(self) -> tuple[Replayed, ...]:
        """Return what became of each alerting rule, in the order of the files."""
        return tuple(
            Replayed(
                player.rule,
                player.judged.group,
                player.judged.file,
                player.episodes.all(),
                player.episodes.near,
                player.episodes.dropped,
                player.judged.evaluations,
                player.judged.failures,
                player.judged.error,
            )
            for player in self._players
        )

    def standings(self) -> tuple[Standing, ...]:
        """Return how each alerting rule stands at the moment up to which was judged."""
        return tuple(
            Standing(
                player.rule,
                player.judged.group,
                player.judged.file,
                player.slots.interval_ms,
                tuple(player.judged.alerts.values()),
                player.judged.error,
                player.judged.evaluated_ms,
                player.sources,
            )
            for player in self._players
        )

    def unseen(self, at_ms: int) -> Mapping[Labels, frozenset[str]]:
        """Return the targets that could not be seen at a time, each with the metrics it would bring."""
        return self._sight.unseen(at_ms).targets

    @property
    def store(self) -> Store:
        """The samples of the last while, recorded and of recording rules."""
        return self._store

    @property
    def longest_ms(self) -> int:
        """The longest time that a timer of one of its alerts can run."""
        lengths = (player.rule.for_.ms + player.rule.keep_firing_for.ms for player in self._players)
        return max(lengths, default=0)

    def _step(self, player: _Player, until_ms: int) -> None:
        """Judge a rule at its next moment, or pass over moments at which nothing can change."""
        at_ms = player.next_ms
        resumes_ms = self._sight.resumes_ms(at_ms)
        if resumes_ms is None or resumes_ms > at_ms:
            player.next_ms = player.slots.after(until_ms if resumes_ms is None else resumes_ms - 1)
            return
        if not self._thorough and _quiet(player):
            if at_ms > max(player.proven_ms, player.doubtful_ms):
                self._foresee(player, at_ms, until_ms)
            if at_ms <= player.proven_ms:
                player.next_ms = player.slots.after(min(player.proven_ms, until_ms))
                return
        self._judge(player, at_ms)

    def _judge(self, player: _Player, at_ms: int) -> None:
        judged = player.judged
        looks_ms = at_ms - player.offset_ms
        self._records.ensure(player.rule.expr.query, Span(looks_ms, looks_ms))
        unseen = self._sight.unseen(at_ms)
        sight = lifecycle.Sight(lambda labels: unseen.hides(labels, player.own, player.sources))
        changes = judged.judge(self._store, at_ms, sight)
        player.episodes.take(changes, at_ms)
        player.next_ms = player.slots.after(at_ms)
        if judged.due_ms is not None and at_ms < judged.due_ms < player.next_ms:
            player.next_ms = judged.due_ms

    def _foresee(self, player: _Player, at_ms: int, until_ms: int) -> None:
        """Find the longest span from here in which nothing changes, or give it up for a while."""
        worth_ms = WORTH_SLOTS * player.slots.interval_ms
        shortest_ms = min(worth_ms, until_ms - at_ms)
        stride_ms = min(max(player.stride_ms, worth_ms), until_ms - at_ms)
        while stride_ms >= shortest_ms:
            if self._unchanged(player, Span(at_ms, at_ms + stride_ms).earlier(player.offset_ms)):
                player.proven_ms = at_ms + stride_ms
                player.stride_ms = max(player.stride_ms, min(PAGE_MS, 2 * stride_ms))
                return
            stride_ms //= 2
            player.stride_ms = stride_ms
        player.doubtful_ms = at_ms + shortest_ms

    def _unchanged(self, player: _Player, span: Span) -> bool:
        """Tell whether the rule is for sure as silent, or fires as steadily, at every moment of a span."""
        if player.rule.expr.query.dialect != PROMETHEUS:
            return False
        try:
            found = self._outlook.vector(player.rule.expr.query.tree, span)
        except Unforeseeable:
            return False
        active = {labels for labels, one in player.judged.alerts.items() if one.state is AlertState.FIRING}
        if not active:
            return not found
        # The series ALERTS is not written while a rule is passed over.
        return not self._readers and active == _steady(player, found)


class NoSamples(Exception):
    """There is nothing to replay."""


def run(replays: Sequence[Replay], pages: Iterable[Page], span: Span, heard: Callable[[int], None]) -> Span:
    """Replay a recording and return the part of the span in which there was something to judge.

    ``heard`` is told how far it is. Raises ``NoSamples`` where the recording holds none of that time.
    """
    since_ms, until_ms = span
    began_ms = newest_ms = None
    for page in pages:
        if began_ms is None:
            began_ms = max(since_ms, min(sheet.times[0] for sheet in page.sheets))
            for replay in replays:
                replay.begin(began_ms)
        for replay in replays:
            for sheet in page.sheets:
                replay.take(sheet)
            replay.judge(min(page.until_ms - LATE_MS, until_ms))
        newest_ms = page.until_ms
        heard(newest_ms)
    if began_ms is None or newest_ms is None or newest_ms <= began_ms:
        raise NoSamples
    ended_ms = min(newest_ms, until_ms)
    for replay in replays:
        replay.judge(ended_ms)
    return Span(began_ms, ended_ms)


def _quiet(player: _Player) -> bool:
    """Tell whether none of the rule's alerts is on its way to another state."""
    for alert in player.judged.alerts.values():
        if alert.state is AlertState.PENDING:
            return False
        if alert.state is AlertState.FIRING and (
            not player.plain or alert.keep_firing_since_ms is not None or alert.unknown_since_ms is not None
        ):
            return False
    return True


def _steady(player: _Player, found: Sequence[Prospect]) -> set[Labels] | None:
    """Return the alerts that are there all the time, or None where one may come or go."""
    if not all(each.sure for each in found):
        return None
    own = {**player.rule.labels.texts(), "alertname": player.rule.name}
    return {each.labels.nameless().having(own) for each in found}
