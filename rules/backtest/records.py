"""Recording rules in a replay: judged when somebody reads what they write, as far back as that is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rules.backtest.outlook import Record
from rules.backtest.sight import Sight
from rules.backtest.slots import Slots
from rules.backtest.span import Span
from rules.file import RecordingRule
from rules.judged import JudgedRule
from rules.lifecycle import CLEAR
from rules.promql import Query
from rules.reach import ANY
from rules.spelling import selector_text
from rules.store.store import Store

CHAIN_MAX: Final = 16


@dataclass(slots=True, eq=False)
class Recorder:
    """One recording rule; ``done_ms`` is up to when it was judged, and ``circular`` that it feeds itself."""

    judged: JudgedRule
    slots: Slots
    circular: bool = False
    done_ms: int = 0

    @property
    def query(self) -> Query:
        """What it records."""
        return self.judged.rule.expr.query

    @property
    def offset_ms(self) -> int:
        """How far before its slot it looks."""
        offset = self.judged.group.query_offset
        return offset.ms if offset else 0


class Records:
    """All recording rules of a replay, by the name that they write."""

    def __init__(self, recorders: Iterable[Recorder], store: Store, sight: Sight) -> None:
        self._store = store
        self._sight = sight
        self._by_name: dict[str, list[Recorder]] = {}
        self._under_way: set[int] = set()
        for recorder in recorders:
            self._by_name.setdefault(recorder.judged.rule.name, []).append(recorder)
        for recorder in self._all():
            recorder.circular = self._feeds_itself(recorder)

    def known(self) -> Mapping[str, Sequence[Record]]:
        """Return what each name is written by, to foresee it; rules in a circle cannot be foreseen."""
        return {
            name: [
                Record(each.judged.rule, each.offset_ms + each.slots.interval_ms)
                for each in recorders
                if isinstance(each.judged.rule, RecordingRule)
            ]
            for name, recorders in self._by_name.items()
        }

    def raw(self, names: frozenset[str]) -> frozenset[str]:
        """Return the metrics behind these that no rule of the replay writes; ``ANY`` stands for all."""
        found, left = set[str](), set(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left.update(*(each.query.metrics for each in self._by_name.get(name, ())))
        return frozenset(found - self._by_name.keys())

    def selectors(self, queries: Iterable[Query]) -> frozenset[str]:
        """Return each selector of recorded samples that the queries read, also through records, as text."""
        found, left, done = set[str](), list(queries), set[int]()
        while left:
            query = left.pop()
            if id(query) in done:
                continue
            done.add(id(query))
            left += [recorder.query for recorder in self._read_by(query)]
            read = (one.selector for one in query.reads if one.selector.name not in self._by_name)
            found.update(map(selector_text, read))
        return frozenset(found)

    def lookback_ms(self, query: Query, depth: int = 0) -> int:
        """Return how far back a query reads, through the records that it reads as well."""
        if depth > CHAIN_MAX:
            return query.lookback_ms
        behind = [self.lookback_ms(each.query, depth + 1) + each.offset_ms for each in self._read_by(query)]
        return query.lookback_ms + max(behind, default=0)

    def ensure(self, query: Query, span: Span) -> None:
        """Judge what the query reads within a span and before it, as far as that was not done yet."""
        reach = span.since(query.lookback_ms)
        for recorder in self._read_by(query):
            if id(recorder) not in self._under_way:
                self._catch_up(recorder, reach)

    def keep_up(self, span: Span) -> None:
        """Judge the rules that feed themselves: each of their values counts."""
        for recorder in self._all():
            if recorder.circular:
                self._catch_up(recorder, span)

    def _catch_up(self, recorder: Recorder, span: Span) -> None:
        slot_ms = recorder.slots.after(max(recorder.done_ms, span.first_ms - 1))
        if slot_ms > span.last_ms:
            return
        self._under_way.add(id(recorder))
        self.ensure(recorder.query, Span(slot_ms - recorder.offset_ms, span.last_ms))
        self._under_way.discard(id(recorder))
        while slot_ms <= span.last_ms:
            resumes_ms = self._sight.resumes_ms(slot_ms)
            if resumes_ms is None:
                break
            if resumes_ms > slot_ms:
                slot_ms = recorder.slots.after(resumes_ms - 1)
                continue
            recorder.judged.judge(self._store, slot_ms, CLEAR)
            slot_ms = recorder.slots.after(slot_ms)
        recorder.done_ms = span.last_ms

    def _read_by(self, query: Query) -> list[Recorder]:
        names: Iterable[str] = self._by_name if ANY in query.metrics else query.metrics
        return [recorder for name in names for recorder in self._by_name.get(name, ())]

    def _all(self) -> list[Recorder]:
        return [recorder for recorders in self._by_name.values() for recorder in recorders]

    def _feeds_itself(self, recorder: Recorder) -> bool:
        found, left = set[int](), self._read_by(recorder.query)
        while left:
            each = left.pop()
            if id(each) not in found:
                found.add(id(each))
                left += self._read_by(each.query)
        return id(recorder) in found
