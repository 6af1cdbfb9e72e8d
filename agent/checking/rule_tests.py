"""Runs files of rule tests and says what did not come out as expected."""

from __future__ import annotations

import argparse
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args
from xml.etree import ElementTree

from agent import files
from model.misfit import Rejected
from model.regex import Regex, compiled
from rules.file import LIMITS, RuleFile, compiled_for, load_rules
from rules.promql.dialect import Compat
from rules.unit_test.diff import told
from rules.unit_test.file import LIMITS as SUITE_LIMITS
from rules.unit_test.file import Suite, load_suite
from rules.unit_test.run import Played, dump, play

_CONTROLS: Final = (*range(9), *range(11, 32), *range(127, 160))
_UNPRINTABLE: Final = {code: f"\\x{code:02x}" for code in _CONTROLS}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which tests to run, by what their names contain, and how; no ``run`` means all."""

    run: tuple[Regex, ...] = ()
    compat: Compat = "prometheus3"
    debug: bool = False

    @classmethod
    def of(cls, options: argparse.Namespace) -> Wish:
        """Read the words of the command line, or raise ``Misfit`` where one is no regular expression."""
        return cls(
            tuple(compiled(pattern, dot_all=False) for pattern in options.run), options.compat, options.debug
        )

    def wants(self, name: str) -> bool:
        """Tell whether a test of this name shall run."""
        return not self.run or any(pattern.search(name) for pattern in self.run)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test; no lines of failure mean that all was as expected."""

    name: str
    failures: tuple[str, ...]
    dumped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one file; ``unread`` says why it could not be run at all."""

    file: str
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: str = ""

    @property
    def ok(self) -> bool:
        """Whether every test came out as expected."""
        return not self.unread and not any(outcome.failures for outcome in self.outcomes)

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        yield f"Unit Testing:  {self.file}"
        yield from (f"  WARNING: {_printable(warning)}" for warning in self.warnings)
        for outcome in self.outcomes:
            yield from (f"  DEBUG: {_printable(outcome.name)}: {line}" for line in outcome.dumped)
        if self.ok:
            yield "  SUCCESS"
            return
        yield "  FAILED:"
        yield from (f"    {_printable(line)}" for line in self.unread.splitlines())
        for outcome in self.outcomes:
            for failure in outcome.failures:
                yield f"    {_printable(outcome.name)}"
                yield from (f"      {_printable(line)}" for line in failure.splitlines())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what ``beforehand test`` takes."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="rule tests, or playbook tests")
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="REGEX",
        help="only tests whose name it matches; repeatable",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the outcomes as JUnit XML")
    parser.add_argument("--debug", action="store_true", help="show every series or step after each")
    parser.add_argument(
        "--compat",
        choices=get_args(Compat),
        default="prometheus3",
        help="which Prometheus' meaning of ranges holds (default prometheus3)",
    )


def run(path: Path, wish: Wish) -> Report:
    """Run the tests of one file."""
    try:
        suite = load_suite(files.read(path, SUITE_LIMITS.file_bytes_max), str(path))
        paths, warnings = _rule_files(path, suite)
        rules = [_compiled(one, suite, wish) for one in paths]
    except Rejected as refused:
        return Report(str(path), unread=str(refused))
    outcomes = []
    for number, case in enumerate(suite.tests or ()):
        if wish.wants(case.name):
            played = play(case, suite, rules, wish.compat)
            outcomes.append(_outcome(case.name or f"unnamed#{number}", played, debug=wish.debug))
    return Report(str(path), tuple(outcomes), tuple(warnings))


def junit(reports: Sequence[Report]) -> bytes:
    """Return the outcomes as JUnit's XML, a suite for each file."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        failed = sum(bool(outcome.failures) for outcome in report.outcomes)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_printable(report.file),
            tests=str(len(report.outcomes)),
            failures=str(failed),
            errors=str(int(bool(report.unread))),
        )
        if report.unread:
            _told(ElementTree.SubElement(suite, "testcase", name="read"), "error", report.unread)
        for outcome in report.outcomes:
            case = ElementTree.SubElement(suite, "testcase", name=_printable(outcome.name))
            for failure in outcome.failures:
                _told(case, "failure", failure)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _told(case: ElementTree.Element, kind: str, text: str) -> None:
    ElementTree.SubElement(case, kind, message=_printable(text.splitlines()[0])).text = _printable(text)


def _printable(text: str) -> str:
    return text.translate(_UNPRINTABLE)


def _rule_files(path: Path, suite: Suite) -> tuple[list[Path], list[str]]:
    """Return the rule files that the globs name, and a warning for each glob that names none."""
    found: list[Path] = []
    warnings = []
    for pattern in suite.rule_files or ():
        named = sorted(glob.glob(str(path.parent / pattern), include_hidden=True))  # noqa: PTH207  # pathlib's globs take no absolute pattern
        if not named:
            warnings.append(f"no file matches {pattern}")
        found += (Path(name) for name in named if Path(name) not in found)
    return found, warnings


def _compiled(path: Path, suite: Suite, wish: Wish) -> RuleFile:
    rules = load_rules(files.read(path, LIMITS.file_bytes_max), str(path))
    return compiled_for(rules, suite.step_ms, wish.compat)


def _outcome(name: str, played: Played, *, debug: bool) -> Outcome:
    failures = tuple("\n".join(told(failure)) for failure in played.failures)
    return Outcome(name, failures, tuple(dump(played.store, 1 << 60)) if debug else ())
