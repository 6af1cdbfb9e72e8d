"""The walk of a sample: store, rules, playbooks, desks; every decision of the agent in its order."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from agent.config import Installation, ProbeEntry
from agent.desks import posting
from agent.desks.outbox import Outbox
from agent.desks.posting import Said, Terms
from agent.desks.wire import Posting
from agent.healing.effect import Effects, Target
from agent.memory import Memory, MemoryLost
from agent.pace import Pace
from agent.sight.doubt import Doubts
from agent.sight.remarks import Remarks
from agent.sight.senses import Reading
from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Healing
from model.sample import Sample
from remediations.healer import Healer
from rules.judge import Judge
from rules.lifecycle import Transition
from rules.lint.dead import DeadSelectors
from rules.store.store import PART, Store

REMEMBER_EVERY_MS: Final = 10_000
SAY_EVERY_MS: Final = 5_000
LOOK_EVERY_MS: Final = 1_000
DECISION_MS: Final = 250
TURNED_SHARE: Final = 0.05
"""How much of the time may go into judging at once what turned, such as a target that went down."""
USUAL_SHARE: Final = 0.002
"""How much of it may go into judging, before the slots of their groups, what only went on as it does."""

log = logging.getLogger("beforehand.walk")


def _no_evidence(_run: str) -> int:
    return 0


@dataclass(slots=True)
class Walk:
    """Readings in, postings out; used by the loop's thread only, times are ms since 1970 in UTC."""

    store: Store
    judge: Judge
    effects: Effects
    healer: Healer
    memory: Memory
    outbox: Outbox
    terms: Terms
    dead: DeadSelectors
    pace: Pace
    doubts: Doubts
    remarks: Remarks = field(default_factory=Remarks)
    pieces: Callable[[str], int] = _no_evidence
    _blocks: dict[str, tuple[Labels, Labels]] = field(default_factory=dict)
    _touched: set[frozenset[str]] = field(default_factory=set)
    _turned: bool = False
    _unknown: dict[Labels, frozenset[str]] = field(default_factory=dict)
    _said: dict[Labels, Said] = field(default_factory=dict)
    _news: bool = True
    _say_ms: int = 0
    _remember_ms: int = 0
    _look_ms: int = 0

    def begin(self, targets: Iterable[Target], now_ms: int) -> None:
        """Take up where the last life of the agent ended; nothing is known of any target yet."""
        blocks = [(_block(target, entry.name), entry) for entry, target in targets]
        self._unknown = {block: self._brings(entry, block) for block, entry in blocks}
        self._tell_unknown()
        seen_ms, alerts = self.memory.recall()
        self.judge.restore(alerts, seen_ms, now_ms)
        self.healer.recover(now_ms)
        for alert in self.judge.alerts():
            if alert.state is AlertState.FIRING:
                self.healer.consider(alert, now_ms)

    def take(self, readings: Iterable[Reading], now_ms: int) -> None:
        """Store what these runs brought, then judge every rule that reads any of it, once.

        Where that takes long, what is not urgent waits for more of its kind: a little where something turned.
        """
        urgent = news = doubt = False
        turns = self.store.turns
        for reading in readings:
            block = self._block_of(reading)
            self.effects.heard(reading)
            if not reading.seen:
                news = news or block not in self._unknown
                self._unknown[block] = self._brings(reading.entry, block)
            elif block in self._unknown:
                news = True
                del self._unknown[block]
            doubt = self.doubts.hear(reading) or doubt
            self.remarks.hear(reading.target, reading.remarks)
            self._touched.add(self.store.write_row(block, reading.at_ms, self.doubts.marked(reading)))
            urgent = urgent or reading.urgent
        if news:
            self._tell_unknown()
        if doubt:
            self.doubt()
        self._turned = self._turned or self.store.turns != turns
        if urgent or not self._judging_left_s():
            self._judge_touched(now_ms)

    def doubt(self) -> None:
        """Tell the judge what is doubted now."""
        self.judge.set_doubts(self.doubts.about())
        for sentence in self.doubts.sentences():
            log.warning("what is seen is doubted: %s", sentence)

    def _judging_left_s(self) -> float:
        return self.pace.left_s(TURNED_SHARE if self._turned else USUAL_SHARE)

    def _judge_touched(self, now_ms: int) -> None:
        names = frozenset().union(*self._touched)
        self._touched.clear()
        self._turned = False
        with self.pace.counted():
            transitions = self.judge.judge_metrics(names, now_ms)
        self._follow(transitions, now_ms)

    def note(self, target: Labels, samples: tuple[Sample, ...], now_ms: int, part: str = "agent") -> None:
        """Store what the agent itself says, by default about itself, and judge the rules that read it."""
        names = self.store.write(_block(target, part), now_ms, samples)
        self._follow(self.judge.judge_metrics(names, now_ms), now_ms)

    def turn(self, now_ms: int) -> None:
        """Judge what is due, go on healing, and say what there is to say."""
        if self._touched and not self._judging_left_s():
            self._judge_touched(now_ms)
        due_ms = self.judge.next_due_ms()
        if due_ms is not None and due_ms <= now_ms:
            self._follow(self.judge.judge_due(now_ms), now_ms)
        self.healer.tick(now_ms)
        if self._news or now_ms >= self._say_ms:
            self._say(now_ms)
        if now_ms >= self._remember_ms:
            self._remember(now_ms)
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_EVERY_MS
            self.dead.look(self.store, now_ms, self._unknown.values())

    def next_ms(self, now_ms: int) -> int:
        """Return when ``turn`` is needed next."""
        touched_ms = now_ms + math.ceil(self._judging_left_s() * 1000) if self._touched else None
        dues = (touched_ms, self.judge.next_due_ms(), self.healer.next_due_ms(), self._say_ms)
        return min(due for due in dues if due is not None)

    def stir(self) -> None:
        """Let the next turn look for news, because a remedy changed."""
        self._news = True

    def use(self, installation: Installation, gone: Iterable[Target], now_ms: int) -> None:
        """Go on with other rules, playbooks and probes; what is gone is seen no more."""
        for entry, target in gone:
            self._blocks.pop(entry.name, None)
            block = _block(target, entry.name)
            self._unknown.pop(block, None)
            self.store.write(block, now_ms, ())
        self._tell_unknown()
        self.healer.use(installation.playbooks)
        self.dead.watch(installation.rule_files)
        self._follow(self.judge.reload(installation.rule_files, now_ms), now_ms)

    def end(self, now_ms: int) -> None:
        """Say the last words and put everything on disk."""
        self._remember(now_ms)
        self._say(now_ms)

    def _follow(self, transitions: tuple[Transition, ...], now_ms: int) -> None:
        """Write down what changed, then act on it: nothing is begun or said that a kill could forget."""
        if not transitions:
            return
        self._remember(now_ms)
        for transition in transitions:
            alert = transition.alert
            log.info("%s %s: %s", alert.labels, alert.state, transition.reason)
            if alert.fired_at_ms is not None:
                # What its rule dropped, say beyond a limit, is nothing to heal any more.
                gone = replace(alert, state=AlertState.RESOLVED, resolved_at_ms=now_ms)
                self.healer.consider(transition.after or gone, now_ms)
        self._news = True

    def _say(self, now_ms: int) -> None:
        self._news, self._say_ms = False, now_ms + SAY_EVERY_MS
        alerts = self.judge.alerts()
        ripe = [alert for alert in alerts if not self._undecided(alert, now_ms)]
        postings = posting.due(ripe, self.healer.remedy, self._said, now_ms, self.terms, self.healer.ask)
        known = {alert.labels for alert in alerts}
        self._said = {labels: said for labels, said in self._said.items() if labels in known}
        postings = [replace(one, marks={**one.marks, **self._marks(one)}) for one in postings]
        for one in postings:
            self._said[one.alert.labels] = Said(one.alert, one.remedy, now_ms)
        if postings:
            self.outbox.put(postings)

    def _marks(self, one: Posting) -> dict[str, str]:
        """Return the words of the probe that saw it, and how much evidence its run has."""
        text = self.remarks.about(one.alert.labels)
        done = one.remedy.run and one.remedy.status is not Healing.ACTING
        pieces = self.pieces(one.remedy.run) if done else 0
        marks = {"beforehand_excerpt": text, "beforehand_evidence": str(pieces or "")}
        return {name: value for name, value in marks.items() if value}

    def _undecided(self, alert: Alert, now_ms: int) -> bool:
        """Tell whether a desk should not hear of it yet: in a moment it is known who heals it, and how."""
        young = now_ms - (alert.fired_at_ms or now_ms) < DECISION_MS
        return young and self.healer.undecided(alert.labels)

    def _remember(self, now_ms: int) -> None:
        self._remember_ms = now_ms + REMEMBER_EVERY_MS
        try:
            self.memory.keep(self.judge.alerts(), now_ms)
        except MemoryLost as lost:
            # Healing and telling go on: a restart would forget, but a full disk is no reason to be silent.
            log.warning("alerts are not on disk: %s", lost)

    def unseen(self) -> dict[Labels, frozenset[str]]:
        """Return the targets that cannot be seen now, each with the metrics it would bring."""
        merged: dict[Labels, frozenset[str]] = {}
        for block, names in self._unknown.items():
            target = block.without((PART,))
            merged[target] = merged.get(target, frozenset()) | names
        return merged

    def _block_of(self, reading: Reading) -> Labels:
        name, target = reading.entry.name, reading.target
        known = self._blocks.get(name)
        if known is None or known[0] is not target:
            known = self._blocks[name] = (target, _block(target, name))
        return known[1]

    def _brings(self, entry: ProbeEntry, block: Labels) -> frozenset[str]:
        """Return the metrics that a probe would bring; of what others name, those that it brought so far."""
        declared = frozenset(metric.name for metric in entry.probe.emits)
        if not entry.probe.brings_more:
            return declared
        known = self._unknown.get(block, frozenset()) | self.store.names_of(block)
        # Where nothing was brought yet it may be anything, and no name stands for any.
        return declared | known if known else known

    def _tell_unknown(self) -> None:
        self.judge.set_unknown(self.unseen())


def _block(target: Labels, name: str) -> Labels:
    """Return what keeps the samples of one probe apart: two probes may look at one target."""
    return target.having({PART: name})
