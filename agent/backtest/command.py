"""``beforehand backtest``: what rules would have done, been healed by, and said, over recorded samples."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

from agent import files
from agent.backtest import diff
from agent.backtest.audiences import Audience, NoDesk, audience
from agent.backtest.dump import Dump
from agent.backtest.progress import Progress
from agent.backtest.rehearsal import Move, Rehearsal
from agent.backtest.report import Report, RuleReport, as_json, counted, table
from agent.backtest.timeline_page import page
from agent.backtest.upstream import Unanswered, Upstream
from agent.clock import Clock
from agent.config import Installation, load
from agent.healing.freeze import Freeze, frozen
from model.address import WebAddress
from model.duration import Duration, seconds
from model.misfit import Misfit, Problem, Rejected
from remediations.writing.playbook import Playbook
from rules.backtest import (
    Incident,
    NoSamples,
    Page,
    Recording,
    Replay,
    Replayed,
    Span,
    figures,
    hindsight,
    read_incidents,
    run,
)
from rules.backtest.expected import FILE_BYTES_MAX
from rules.file import LIMITS, RuleFile, load_rules
from rules.reach import ANY
from rules.store.log import segments

INTERVAL: Final = seconds(15)

EX_OK: Final = 0
EX_FAILED: Final = 1
EX_CONFIG: Final = 78

Pages = Callable[[int, int], Iterator[Page]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where samples come from: in words, up to when, and how they are had."""

    words: str
    until_ms: int
    pages: Pages


@dataclass(frozen=True, slots=True)
class _House:
    """What the rules are judged by: who would heal, when nobody may, and who would be told."""

    playbooks: Sequence[Playbook]
    freezes: Sequence[Freeze]
    audience: Audience | None
    incidents: tuple[Incident, ...]


def add_options(parser: argparse.ArgumentParser, config: Path, state: Path) -> None:
    """Add what the command takes."""
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    parser.add_argument(
        "--rules", nargs="+", type=Path, metavar="FILE", help="these rules instead of agent.yaml's"
    )
    parser.add_argument("--diff", nargs=2, type=Path, metavar=("OLD", "NEW"), help="compare two rule files")
    parser.add_argument(
        "--since", type=_duration, default=_duration("14d"), help="how far back (default 14d)"
    )
    parser.add_argument(
        "--interval", type=_duration, help="for groups that name none (default: agent.yaml's)"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--state", type=Path, default=state, help="the agent's own samples: its --state")
    source.add_argument("--file", type=Path, help="an OpenMetrics or Prometheus text file with times")
    source.add_argument("--prometheus", type=_url, metavar="URL", help="a Prometheus server")
    parser.add_argument("--expect", type=Path, metavar="CSV", help="known incidents: start,end[,alerts]")
    parser.add_argument("--desk", type=Path, metavar="FILE", help="desk.yaml, to count who would be told")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the timelines as well")


def command(options: argparse.Namespace, out: TextIO, err: TextIO, clock: Clock) -> int:
    """Run the command; returns the exit code."""
    try:
        return _backtest(options, out, err, clock)
    except Rejected as refused:
        err.write(f"{refused}\n")
        return EX_CONFIG
    except Unanswered as fact:
        err.write(f"{fact}\n")
    except NoSamples:
        err.write(
            "there are no samples of that time; choose another --since, --state, --file or --prometheus\n"
        )
    except OSError as wrong:
        err.write(f"{wrong.filename}: {wrong.strerror}\n")
    return EX_FAILED


def _backtest(options: argparse.Namespace, out: TextIO, err: TextIO, clock: Clock) -> int:
    path: Path = options.config
    installation = load(path / "agent.yaml" if path.is_dir() else path)
    interval = options.interval or installation.config.evaluation_interval
    replays = [Replay(rules, interval.ms) for rules in _rules(options, installation)]
    house, notes = _house(options, installation)
    with _source(options, replays, clock) as source:
        asked = Span(source.until_ms - options.since.ms, source.until_ms)
        bar = Progress(err, *asked, clock.monotonic)
        lookback_ms = max(replay.lookback_ms for replay in replays)
        pages = source.pages(*asked.since(lookback_ms))
        try:
            span = run(replays, pages, asked, bar.at)
        finally:
            bar.done()
    reports = [_report(replay, source.words, span, house, notes) for replay in replays]
    out.write((_json(reports) if options.json else _text(reports)) + "\n")
    if options.html:
        options.html.write_text(page(reports[-1]), encoding="utf-8")
    return EX_OK


def _rules(options: argparse.Namespace, installation: Installation) -> list[tuple[RuleFile, ...]]:
    """Return one set of rule files, or for a comparison two."""
    if options.diff:
        return [_read(path) for path in ([options.diff[0]], [options.diff[1]])]
    return [_read(options.rules) if options.rules else installation.rule_files]


def _read(paths: Sequence[Path]) -> tuple[RuleFile, ...]:
    """Read rule files, and gather the mistakes of all."""
    found: list[RuleFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(load_rules(files.read(path, LIMITS.file_bytes_max), str(path)))
        except Rejected as refused:
            problems += refused.problems
    if problems:
        raise Rejected(tuple(problems))
    return tuple(found)


def _house(options: argparse.Namespace, installation: Installation) -> tuple[_House, tuple[str, ...]]:
    told, notes = None, []
    if options.desk:
        try:
            told = audience(options.desk)
        except NoDesk as fact:
            notes.append(f"{fact}.")
    incidents: tuple[Incident, ...] = ()
    if options.expect:
        incidents = read_incidents(files.read(options.expect, FILE_BYTES_MAX), str(options.expect))
    return _House(installation.playbooks, installation.config.freezes, told, incidents), tuple(notes)


@contextlib.contextmanager
def _source(options: argparse.Namespace, replays: Sequence[Replay], clock: Clock) -> Iterator[Source]:
    metrics = frozenset().union(*(replay.metrics for replay in replays)) | {"up"}
    wanted = (lambda _: True) if ANY in metrics else metrics.__contains__
    if options.file:
        with contextlib.closing(Dump(options.file, wanted)) as dump:
            yield Source(f"samples of {options.file}", dump.last_ms or 0, dump.pages)
    elif options.prometheus:
        step_ms = min(replay.interval_ms for replay in replays)
        selectors = frozenset().union(*(replay.selectors for replay in replays))
        with contextlib.closing(Upstream(options.prometheus, step_ms)) as upstream:
            words = f"samples of {options.prometheus}"
            yield Source(words, clock.now_ms(), lambda since, until: upstream.pages(selectors, since, until))
    else:
        inner = options.state / "agent"
        directory = (inner if inner.is_dir() else options.state) / "samples"
        words = f"samples that the agent recorded in {directory}"
        yield Source(
            words,
            clock.now_ms(),
            lambda since, until: Recording(wanted).pages(segments(directory), since, until),
        )


def _report(replay: Replay, words: str, span: Span, house: _House, notes: tuple[str, ...]) -> Report:
    since_ms, until_ms = span
    results = replay.results()
    incidents = tuple(one for one in house.incidents if one.end_ms >= since_ms and one.start_ms <= until_ms)
    if len(incidents) < len(house.incidents):
        outside = counted(len(house.incidents) - len(incidents), "known incident")
        notes += (f"Outside of this time: {outside}.",)
    house = replace(house, incidents=incidents)
    rehearsal = Rehearsal(house.playbooks, lambda at_ms: _pauses(house.freezes, at_ms))
    episodes = [episode for one in results for episode in one.episodes]
    moves: dict[int, Move] = {id(move.episode): move for move in rehearsal.moves(episodes, until_ms)}
    rules = tuple(_rule(one, moves, span, house) for one in results)
    seen = hindsight(episodes, house.incidents, until_ms) if house.incidents else None
    return Report(words, since_ms, until_ms, rules, house.incidents, seen, house.audience is not None, notes)


def _rule(replayed: Replayed, moves: dict[int, Move], span: Span, house: _House) -> RuleReport:
    since_ms, until_ms = span
    people: set[str] = set()
    untold: Counter[str] = Counter()
    tellings = 0
    for episode in replayed.episodes if house.audience else ():
        assert house.audience is not None, "people are counted only where somebody knows them"
        told, reason = house.audience(episode.labels, episode.length_ms(until_ms))
        people |= told
        tellings += bool(told)
        if not told:
            untold[reason] += 1
    return RuleReport(
        replayed,
        figures(replayed.episodes, since_ms, until_ms),
        tuple(moves[id(episode)] for episode in replayed.episodes),
        frozenset(people),
        tellings,
        dict(untold),
        hindsight(replayed.episodes, house.incidents, until_ms) if house.incidents else None,
    )


def _pauses(freezes: Sequence[Freeze], at_ms: int) -> dict[str, str]:
    sentence = frozen(freezes, at_ms) if freezes else ""
    return {"freeze": sentence} if sentence else {}


def _json(reports: Sequence[Report]) -> str:
    if len(reports) == 1:
        return as_json(reports[0])
    data: dict[str, Any] = {
        "differences": diff.as_data(diff.compared(reports[0].rules, reports[1].rules)),
        "old": json.loads(as_json(reports[0])),
        "new": json.loads(as_json(reports[1])),
    }
    return json.dumps(data, indent=2)


def _text(reports: Sequence[Report]) -> str:
    if len(reports) == 1:
        return table(reports[0])
    differences = diff.compared(reports[0].rules, reports[1].rules)
    return f"{diff.difference_table(differences)}\n\nWith {reports[1].source}."


def _duration(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _url(text: str) -> WebAddress:
    try:
        return WebAddress.parse(text)
    except Misfit as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
