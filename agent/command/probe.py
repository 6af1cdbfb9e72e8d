"""The command ``beforehand probe``: run one probe here and now, and show what it saw and how."""

from __future__ import annotations

import argparse
import dataclasses
import socket
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TextIO

import yaml

from agent.checking.plan import printable
from agent.cli import EX_FAILED, EX_OK, EX_USAGE
from agent.config import ProbeEntry, load
from agent.sight.pool import outcome
from agent.sight.senses import target_of
from model.decode import nearest
from model.labels import Labels
from model.misfit import Rejected
from model.plugin import Deadline, DeadlinePassed, Remark, Seen
from model.sample import Sample

_SCALARS: Final = (bool, int, float)


def add_options(parser: argparse.ArgumentParser, config: Path) -> None:
    """Add the options of this command."""
    parser.add_argument("name", help="the probe's name, or its kind where there is one of that kind")
    parser.add_argument("--config", type=Path, default=config, help="agent.yaml, or a directory with it")
    parser.add_argument("--debug", action="store_true", help="also how it went and what it was told to do")


def command(
    options: argparse.Namespace, out: TextIO, err: TextIO, monotonic: Callable[[], float], instance: str = ""
) -> int:
    """Run the probe once and print its samples as they would be exposed; returns the exit code."""
    path = options.config / "agent.yaml" if options.config.is_dir() else options.config
    try:
        config = load(path).config
    except Rejected as refused:
        print(refused, file=err)
        return EX_FAILED
    entry = chosen(config.probes, options.name)
    if entry is None:
        names = [known.name for known in config.probes]
        print(f"there is no probe {options.name!r}; {nearest(options.name, names)}", file=err)
        return EX_USAGE
    shown = Shown.of(entry, monotonic)
    target = target_of(entry, config.instance or instance or socket.gethostname(), dict(config.labels.each))
    if options.debug:
        print(*_log(entry, shown), "", "configuration:", sep="\n", file=out)
        print(yaml.safe_dump(effective(entry), sort_keys=False, allow_unicode=True), file=out)
    print(*exposed(entry, target, shown), sep="\n", file=out)
    if shown.trouble:
        print(f"unknown: {printable(shown.trouble)}", file=err)
        return EX_FAILED
    return EX_OK


def chosen(entries: tuple[ProbeEntry, ...], name: str) -> ProbeEntry | None:
    """Return the probe of this name, or the only one of this kind."""
    named = [entry for entry in entries if entry.name == name]
    kind = [entry for entry in entries if entry.probe.name == name]
    return named[0] if named else kind[0] if len(kind) == 1 else None


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """What one run brought, how long it took, and why it could not see its target, if it could not."""

    seen: tuple[Seen, ...]
    took_s: float
    trouble: str = ""

    @classmethod
    def of(cls, entry: ProbeEntry, monotonic: Callable[[], float]) -> Shown:
        """Run the probe once, in this thread and under its own deadline."""
        began_s = monotonic()
        deadline = Deadline(began_s + entry.timeout.s, monotonic)
        seen: list[Seen] = []
        error = outcome(entry.name, lambda: seen.extend(entry.probe.look(entry.options)(deadline))).error
        trouble = f"{type(error).__name__}: {error}" if error else ""
        if isinstance(error, DeadlinePassed):
            trouble = f"no answer within {entry.timeout}"
        return cls(tuple(seen), monotonic() - began_s, trouble)

    @property
    def samples(self) -> list[Sample]:
        """The samples, by the name of their metric."""
        found = [one for one in self.seen if isinstance(one, Sample)]
        return sorted(found, key=lambda sample: sample.labels.name)


def exposed(entry: ProbeEntry, target: Labels, shown: Shown) -> Iterator[str]:
    """Yield the samples with the labels that the store would give them, metric by metric."""
    declared = {metric.name: metric for metric in entry.probe.emits}
    for name, samples in groupby(shown.samples, key=lambda sample: sample.labels.name):
        metric = declared.get(name)
        if metric is not None:
            yield f"# HELP {name} {metric.help}"
            yield f"# TYPE {name} {metric.kind}"
        for sample in samples:
            yield f"{sample.labels.having(target)} {sample.value:.17g}"


def effective(entry: ProbeEntry) -> dict[str, Any]:
    """Return all that the probe was told to do, defaults included, as it could be written in agent.yaml."""
    return {
        entry.probe.name: plain(entry.options),
        "name": entry.name,
        "every": str(entry.every),
        "timeout": str(entry.timeout),
        "labels": dict(entry.labels),
    }


def plain(value: object) -> Any:
    """Return a decoded value as YAML can write it."""
    if isinstance(value, str):
        return str(value)  # YAML's writer knows no kinds of text
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [plain(inner) for inner in value]
    written = type(value).__str__ is not object.__str__
    if written or not dataclasses.is_dataclass(value):
        return str(value)
    fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
    return {name.rstrip("_"): plain(getattr(value, name)) for name in fields if name != "place"}


def _log(entry: ProbeEntry, shown: Shown) -> Iterator[str]:
    """Yield how the run went."""
    yield f"probe {entry.name}: {entry.probe.name}, every {entry.every}, at most {entry.timeout}"
    yield f"took {shown.took_s * 1000:.1f} ms, brought {len(shown.samples)} samples"
    for one in shown.seen:
        if isinstance(one, Remark):
            yield f"remark {one.labels}: {printable(one.text)}"
        elif not isinstance(one, Sample):
            yield f"will run at once on: {one}"
    brought = {sample.labels.name for sample in shown.samples}
    missing = [metric.name for metric in entry.probe.emits if metric.name not in brought]
    if missing:
        yield f"brought nothing of: {', '.join(missing)}"
    if shown.trouble:
        yield f"cannot see its target: {printable(shown.trouble)}"
