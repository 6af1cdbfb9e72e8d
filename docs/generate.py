"""Writes the reference pages that are read off the code: python -m docs.generate."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from agent import own
from agent.config import AgentConfig
from agent.sight.bundle import HostBundle
from agent.sight.senses import COUNT, TOOK, UP
from desk.catalogue.file import CatalogueFile
from desk.config import Config
from model.decode import Raw
from model.duration import Duration
from model.misfit import Place
from model.plugin import AnyAction, AnyProbe, Probe
from model.sample import Metric
from probes import PROBES
from remediations.actions import ACTIONS
from remediations.writing.playbook import Playbook
from rules import packs
from rules.file import AlertingRule, RuleFile, load_rules

PLACE: Final = Path(__file__).resolve().parent / "reference"

_NOTE: Final = "<!-- Written by `python -m docs.generate`; change the code, not this page. -->\n\n"
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    Raw: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Duration: "duration",
}

_PACK_HEAD: Final = ("alert", "severity", "for", "what it means", "words for customers")
_PACKS: Final = """\
Rules that ship. A bare word under `rules:` in [agent.yaml](agent.md) names a pack; `host`, `availability` and
`self` hold where nothing is said. Each pack has its tests beside it, which promtool passes as well.

Some packs watch what no probe here brings yet: such rules are for a Prometheus that scrapes an exporter.
`self` watches the agent by the metrics that it tells of itself. In the tables *italics* stand for a label,
and … for a value. Where a rule has no words for customers, the [catalogue](catalogue.md) can still give its
alert an impact.
"""


def table(head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def sentence(thing: object) -> str:
    """Return the first sentence of a docstring, on one line."""
    text = " ".join((thing.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")
    return text.partition(". ")[0].rstrip(".") + "."


def is_record(kind: Any) -> bool:
    """Say whether a type is read from a mapping, key by key."""
    own = hasattr(kind, "parse") or hasattr(kind, "decode")
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and not own


def kind_words(kind: Any) -> str:
    """Say in words what may stand for a value of this type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind_words(inner) for inner in arguments if inner is not types.NoneType)
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin is not None:
        return (
            f"list of: {kind_words(arguments[0])}"
            if origin is tuple
            else f"mapping of names to: {kind_words(arguments[1])}"
        )
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    if is_record(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return _WORDS.get(kind) or sentence(kind).rstrip(".")


def default_words(field: dataclasses.Field[Any]) -> str:
    """Say what holds when the key is left out."""
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is dataclasses.MISSING:
        return "must be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return " ".join(f"`{item}`" for item in value)
    wordless = dataclasses.is_dataclass(value) and type(value).__str__ is object.__str__
    return "" if wordless or value is None or value in ("", {}) else f"`{value}`"


def fields(kind: Any) -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    """Yield the keys of a dataclass as the decoder reads them, with type and field."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.init and hints[field.name] is not Place:
            yield field.name.removesuffix("_"), hints[field.name], field


def key_table(kind: Any) -> str:
    """Return the table of a dataclass's keys, or a sentence where it has none."""
    rows = [(f"`{key}`", kind_words(hint), default_words(field)) for key, hint, field in fields(kind)]
    return table(("key", "what stands there", "when left out"), rows) if rows else "No keys.\n"


def records(kind: Any, seen: dict[Any, None]) -> dict[Any, None]:
    """Gather, in reading order, every type that a type is made of and that is read key by key."""
    if is_record(kind) and kind not in seen:
        seen[kind] = None
        for _, hint, _ in fields(kind):
            records(hint, seen)
    for argument in typing.get_args(kind):
        records(argument, seen)
    return seen


def keys_page() -> str:
    """Return the page of every key of every file that people write."""
    page = "# Every key\n\nDurations are written as in Prometheus: `15s`, `5m`, `1h30m`.\n"
    for title, kind in (
        ("agent.yaml", AgentConfig),
        ("Under probes: in agent.yaml, the key host", HostBundle),
        ("A playbook", Playbook),
        ("desk.yaml", Config),
        ("The catalogue", CatalogueFile),
    ):
        page += f"\n## {title}\n\n{key_table(kind)}" + parts(list(records(kind, {}))[1:])
    return page


def parts(kinds: Sequence[Any]) -> str:
    """Return a section for each type that is read key by key."""
    return "".join(f"\n### {kind.__name__}\n\n{sentence(kind)}\n\n{key_table(kind)}" for kind in kinds)


def plugin_page(title: str, plugins: Sequence[AnyProbe | AnyAction], facts: Callable[[Any], str]) -> str:
    """Return the page of one family of plug-ins: what each is, its promise and its options."""
    page = f"# {title}\n"
    told: dict[Any, None] = {}
    for plugin in plugins:
        page += f"\n## {plugin.name}\n\n{sentence(home(plugin))}\n\n{facts(plugin)}\n\n"
        page += key_table(plugin.options) if is_record(plugin.options) else f"{sentence(plugin.options)}\n"
        found = [kind for kind in records(plugin.options, {}) if kind is not plugin.options]
        page += parts([kind for kind in found if kind not in told])
        told.update(dict.fromkeys(found))
    return page


def home(plugin: AnyProbe | AnyAction) -> types.ModuleType:
    """Return the module that a plug-in was written in."""
    does = (plugin.run or plugin.begin) if isinstance(plugin, Probe) else plugin.plan
    assert does is not None, "a probe runs or begins"
    return importlib.import_module(does.__module__)


def probe_facts(probe: AnyProbe) -> str:
    """Say how often a probe looks and what it finds."""
    metrics = ", ".join(f"`{metric.name}`" for metric in probe.emits)
    return f"Runs every {probe.every} unless told otherwise, for at most {probe.timeout}. Emits {metrics}."


def action_facts(action: AnyAction) -> str:
    """Say what an action can break."""
    return f"Risk: `{action.risk.name.lower()}`."


def metrics_page() -> str:
    """Return the page of every metric, of the probes and of the agent itself."""
    found: dict[str, tuple[Metric, list[str]]] = {}
    for probe in PROBES:
        for metric in probe.emits:
            found.setdefault(metric.name, (metric, []))[1].append(probe.name)
    seen = ((*metric_cells(metric), ", ".join(by)) for _, (metric, by) in sorted(found.items()))
    head = ("metric", "kind", "labels", "what it is")
    page = "# Metrics\n\n## What probes emit\n\n" + table((*head, "probe"), seen)
    page += "\n## About each run of a probe\n\n" + table(head, map(metric_cells, (UP, TOOK, COUNT)))
    return page + "\n## About the agent itself\n\n" + table(head, map(metric_cells, own.ALL))


def metric_cells(metric: Metric) -> tuple[str, ...]:
    """Return what is told of a metric, cell by cell."""
    return f"`{metric.name}`", metric.kind, " ".join(f"`{label}`" for label in metric.labels), metric.help


def packs_page() -> str:
    """Return the page of the rules that ship, pack by pack."""
    page = "# Packs\n\n" + _PACKS
    for path in sorted(Path(packs.__path__[0]).glob("*.yml")):
        if not path.name.endswith(".test.yml"):
            text = path.read_bytes()
            page += f"\n## {path.stem}\n\n{opening(text.decode())}\n\n"
            page += table(_PACK_HEAD, alert_rows(load_rules(text, path.name)))
    return page


def opening(text: str) -> str:
    """Return the first paragraph of the comment that a file begins with."""
    lines = text.partition("\n#\n")[0].splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines)


def alert_rows(file: RuleFile) -> Iterator[tuple[str, ...]]:
    """Yield what is told of each alert of a pack, cell by cell."""
    for group in file.groups:
        for rule in group.rules.each:
            if isinstance(rule, AlertingRule):
                said = rule.annotations.texts()
                means = unfilled(f"{said['summary']} {said['description']}")
                told = "yes" if "notice" in said else ""
                yield f"`{rule.alert}`", rule.labels.texts()["severity"], str(rule.for_), means, told


def unfilled(template: str) -> str:
    """Show the label that a template would fill in, and three dots for a value."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", template)
    return re.sub(r"\{\{[^{}]*\}\}", "…", named)


def pages() -> dict[str, str]:
    """Return the text of each generated page by its file name."""
    texts = {
        "keys.md": keys_page(),
        "metrics.md": metrics_page(),
        "probes.md": plugin_page("Probes", PROBES, probe_facts),
        "actions.md": plugin_page("Actions", ACTIONS, action_facts),
        "packs.md": packs_page(),
    }
    return {name: _NOTE + text for name, text in texts.items()}


def main() -> int:
    """Write every page that the code changed."""
    PLACE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PLACE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
