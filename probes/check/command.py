"""Commands of one's own: their exit code, and numbers in their output, by regular expression or JSON path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from model.duration import seconds
from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.check.json_path import JsonPath
from probes.check.program_options import NO_VARIABLES, Argv, Environment, environment
from probes.host.roots import this_host
from probes.pattern import Pattern
from probes.program import Finished, run

NAME_CHARS_MAX: Final = 128
VALUES_MAX: Final = 100

_COMMAND: Final = ("command",)
EXIT = Metric(
    "beforehand_command_exit_code",
    "How the command ended; of a signal its number, negative.",
    labels=_COMMAND,
)
DURATION = Metric("beforehand_command_duration_seconds", "How long the command ran.", labels=_COMMAND)
OVERTIME = Metric(
    "beforehand_command_overtime", "1 if it was ended because its time was over.", labels=_COMMAND
)
MATCHED = Metric("beforehand_command_matched", "1 if its output matched.", labels=_COMMAND)
VALUE = Metric("beforehand_command_value", "A number in its output.", labels=("command", "name"))


@dataclass(frozen=True, slots=True)
class Finder:
    """Where a number stands in an output: the first group of ``regex``, or at the path ``json``."""

    regex: Pattern | None = None
    json: JsonPath | None = None

    def __post_init__(self) -> None:
        if (self.regex is None) is (self.json is None):
            raise Misfit("a value is found in exactly one way", "write regex: or json:")


@dataclass(frozen=True, slots=True)
class Options:
    """A command and what to make of its output.

    ``command`` names it in labels. ``argv`` is its absolute path with its arguments, ``env`` its variables,
    ``env_files`` those whose value lies in a file, for secrets. ``user`` runs it as somebody else.
    ``matches`` is looked for in its standard output. ``values`` are numbers in it by their names, each with
    ``regex``, of which the first group counts, or with ``json``, a path like ``$.queues[0].depth``; true is
    1, false is 0.
    """

    command: str
    argv: Argv
    env: Environment = NO_VARIABLES
    env_files: Environment = NO_VARIABLES
    user: str = ""
    matches: Pattern | None = None
    values: Mapping[str, Finder] | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.command) <= NAME_CHARS_MAX:
            sentence = f"a command needs a name of at most {NAME_CHARS_MAX} characters"
            raise Misfit(sentence, "write one, like queue", key="command")
        if len(self.values or ()) > VALUES_MAX:
            raise Misfit(f"a command has at most {VALUES_MAX} values", "divide it", key="values")


def look(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Run the command once; a value that is not in its output is left out."""
    began_s = deadline.monotonic()
    finished = run(
        options.argv.words,
        deadline,
        environment=environment(options.env, options.env_files),
        user=options.user,
    )
    yield DURATION(deadline.monotonic() - began_s, command=options.command)
    raw = finished.code if finished.code is not None else -(finished.signal or 0)
    yield EXIT(raw, command=options.command)
    yield OVERTIME(finished.overtime, command=options.command)
    if options.matches is not None:
        yield MATCHED(options.matches.search(finished.stdout) is not None, command=options.command)
    for name, value in found(finished, options.values or {}):
        yield VALUE(value, command=options.command, name=name)
    words = (finished.stdout.strip() or finished.stderr.strip()).decode("utf-8", "replace")
    yield Remark(Labels.of(command=options.command), words)


def found(finished: Finished, finders: Mapping[str, Finder]) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers that are in the output, by name."""
    document = _document(finished) if any(finder.json for finder in finders.values()) else None
    for name, finder in finders.items():
        if finder.json is not None:
            value = number(finder.json.value(document))
        else:
            assert finder.regex is not None, "one of the two is there"
            match = finder.regex.search(finished.stdout)
            value = number(match[1 if match.regex.groups else 0]) if match else None
        if value is not None:
            yield name, value


def number(value: object) -> float | None:
    """Return what is a number, or text that reads as one."""
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def _document(finished: Finished) -> object:
    """Return the output as JSON; what is none, or too deep, has no values."""
    if finished.truncated:
        return None
    try:
        return json.loads(finished.stdout)
    except (ValueError, RecursionError):
        return None


PROBE = Probe(
    "command", Options, look, (EXIT, DURATION, OVERTIME, MATCHED, VALUE),
    job="command", target=this_host, every=seconds(60), timeout=seconds(30),
    subject=lambda options: options.command,
)  # fmt: skip  # the metrics on one line
