"""What ops write for one host: agent.yaml, and the rule files and playbooks that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import probes.net
import remediations.playbooks
import rules.packs
from agent import files
from agent.drill.objective import USUAL as USUAL_DRILL
from agent.drill.objective import Objective
from agent.healing import warm_up
from agent.healing.freeze import Freeze
from agent.healing.warm_up import WarmUp
from agent.pings.config import NO_OTHER_PINGS, Pings
from agent.sight.bundle import BUNDLE_NAME, HostBundle
from agent.sight.modules import told
from agent.sight.unusual import USUAL, UnusualTerms
from model.address import Listen, WebAddress
from model.decode import MISSING, Decoder, Missing, nearest
from model.duration import Duration, seconds
from model.misfit import Misfit, Place, Problem, Rejected
from model.plugin import AnyProbe
from model.yaml_tree import FILE_BYTES_MAX, Node, Scalar, read_tree
from model.yaml_tree import Mapping as MappingNode
from probes import PROBES
from probes.net.modules import DEFAULT as DEFAULT_MODULES
from probes.net.modules import Module, load_modules
from probes.net.networks import METADATA, Network
from remediations.writing.playbook import Playbook, load_playbook
from rules.file import RuleFile, compiled_for, load_rules
from rules.promql import Compat, Query, compile_query

EVERY_MIN: Final = seconds(1)
EVERY_MAX: Final = seconds(86_400)

PACKS: Final = ("host", "availability", "exhaustion", "self")

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_COMMON: Final = ("name", "every", "timeout", "labels")
_BY_NAME: Final[dict[str, AnyProbe]] = {probe.name: probe for probe in PROBES}
_KINDS: Final = (*_BY_NAME, BUNDLE_NAME)

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels that are laid over series; names as Prometheus allows them, none reserved."""

    each: Mapping[str, str]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> LabelMap:
        """Read a mapping of label names to texts."""
        if isinstance(node, MappingNode):
            for key, _ in node.pairs:
                if not _LABEL.fullmatch(key.text) or key.text.startswith("__"):
                    decoder.refuse(
                        key.place, f"{key.text!r} cannot be a label name", "use letters, digits and _"
                    )
        each = decoder.value(node, Mapping[str, str])
        return cls({} if each is MISSING else each)


@dataclass(frozen=True, slots=True)
class ProbeEntry:
    """One probe as configured: its kind, options, slot length, deadline, and labels of its series."""

    probe: AnyProbe
    options: Any
    name: str
    every: Duration
    timeout: Duration
    labels: Mapping[str, str]
    place: Place

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> ProbeEntry | Missing:
        """Read a mapping with one probe's name as a key, and the keys that all probes share."""
        if not isinstance(node, MappingNode):
            raise Misfit("expected a probe", "write it like - http: {target: http://127.0.0.1:8080/}")
        named = _kind_of(node, decoder)
        if named is None:
            return MISSING  # noted already
        probe = _BY_NAME[named[0].text]
        options = decoder.record(named[1], probe.options)
        common = _Common.read(node, decoder)
        if options is MISSING or common is None:
            return MISSING  # noted above
        every, timeout = common.bounds(probe)
        name = common.name or probe.named(options)
        return cls(probe, options, name, every, timeout, common.labels.each, node.place)


def _kind_of(node: MappingNode, decoder: Decoder) -> tuple[Scalar, Node] | None:
    """Return the one key of an item that is no key of all probes, with its value; None if it is unknown."""
    kinds = [(key, child) for key, child in node.pairs if key.text not in _COMMON]
    known = [(key, child) for key, child in kinds if key.text in _KINDS]
    for key, _ in kinds:
        if key.text not in _KINDS:
            decoder.refuse(key.place, f"unknown probe {key.text!r}", nearest(key.text, [*_KINDS, *_COMMON]))
    if len(known) > 1 or not kinds:
        raise Misfit("exactly one probe belongs in each item", f"name one of {', '.join(_KINDS)}")
    for key, child in known:
        empty = isinstance(child, Scalar) and not child.text
        return key, MappingNode((), child.place) if empty else child
    return None


@dataclass(frozen=True, slots=True)
class _Item:
    """One item under ``probes:``: a probe, or all those of the host together."""

    entries: tuple[ProbeEntry, ...]
    bundled: bool
    place: Place

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> _Item | Missing:
        if isinstance(node, MappingNode) and node.get(BUNDLE_NAME) is not None:
            return cls._bundle(node, decoder)
        entry = ProbeEntry.decode(node, decoder)
        return MISSING if entry is MISSING else cls((entry,), bundled=False, place=entry.place)

    @classmethod
    def _bundle(cls, node: MappingNode, decoder: Decoder) -> _Item | Missing:
        named = _kind_of(node, decoder)
        bundle = MISSING if named is None else decoder.record(named[1], HostBundle)
        common = _Common.read(node, decoder)
        if bundle is MISSING or common is None:
            return MISSING  # noted already
        if common.name:
            raise Misfit(f"{BUNDLE_NAME} stands for many probes", "leave out the name", key="name")
        shared = (common.labels.each, node.place)
        entries = (
            ProbeEntry(probe, bundle.options(probe), probe.name, *common.bounds(probe), *shared)
            for probe in bundle.probes()
        )
        return cls(tuple(entries), bundled=True, place=node.place)


class ProbeEntries(tuple[ProbeEntry, ...]):
    """A list of probes; ``host`` among them stands for all that look at the host itself."""

    __slots__ = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> ProbeEntries | Missing:
        """Read the list; an item of its own holds in place of the same probe in ``host``."""
        items: tuple[_Item, ...] | Missing = decoder.value(node, tuple[_Item, ...])
        if items is MISSING:
            return MISSING
        for again in [item for item in items if item.bundled][1:]:
            decoder.refuse(again.place, f"{BUNDLE_NAME} stands here twice", "keep one of them")
        alone = {entry.probe.name for item in items if not item.bundled for entry in item.entries}
        return cls(
            entry
            for item in items
            for entry in item.entries
            if not (item.bundled and entry.probe.name in alone)
        )


_NO_PROBES: Final = ProbeEntries()


@dataclass(frozen=True, slots=True)
class _Common:
    """The keys that every probe shares."""

    name: str = ""
    every: Duration | None = None
    timeout: Duration | None = None
    labels: LabelMap = LabelMap({})

    @classmethod
    def read(cls, node: MappingNode, decoder: Decoder) -> _Common | None:
        pairs = tuple(pair for pair in node.pairs if pair[0].text in _COMMON)
        common = decoder.record(MappingNode(pairs, node.place), cls)
        return None if common is MISSING else common

    def bounds(self, probe: AnyProbe) -> tuple[Duration, Duration]:
        """Return slot length and deadline; a deadline beyond the slot would overlap the next run."""
        every = self.every or probe.every
        if not EVERY_MIN <= every <= EVERY_MAX:
            raise Misfit(f"every: {every} is out of range", f"choose {EVERY_MIN} to {EVERY_MAX}", key="every")
        timeout = self.timeout or min(probe.timeout, every)
        if timeout > every or not timeout.ms:
            raise Misfit(
                f"timeout: {timeout} does not fit in every: {every}", "make it shorter", key="timeout"
            )
        return every, timeout


@dataclass(frozen=True, slots=True)
class DoubtTerms:
    """When the agent does not trust what it sees, under ``doubt:``.

    ``references`` names probes of targets beyond this host that as good as always answer, such as the
    gateway: when more than half of them do not, this host's own network is doubtful. After a gap, or when the
    network is back, doubt lasts for ``settle``. ``ignore`` names reasons that are none on this host.
    """

    settle: Duration = seconds(15)
    starved_after: Duration = seconds(5)
    references: tuple[str, ...] = ()
    ignore: tuple[Literal["clock_step", "suspended", "starved", "network"], ...] = ()

    def __post_init__(self) -> None:
        if not self.starved_after.ms:
            raise Misfit(
                "a turn of the loop takes some time", "write a duration like 5s", key="starved_after"
            )


TRUST: Final = DoubtTerms()


class SocketPath(str):
    """The absolute path of a Unix socket; the kernel takes no more than 107 bytes (unix(7))."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> SocketPath:
        """Refuse relative paths and what cannot be the path of a socket."""
        if not text.startswith("/") or not text.isprintable() or len(text.encode()) > 107:
            raise Misfit(f"{text[:40]!r} is not the path of a socket", "write /run/beforehand/hand.sock")
        return cls(text)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """agent.yaml."""

    instance: str = ""
    labels: LabelMap = LabelMap({})
    listen: Listen = Listen("127.0.0.1", 9465)
    pings: Pings = NO_OTHER_PINGS
    modules: tuple[str, ...] = ()
    refused_targets: tuple[Network, ...] = METADATA
    desks: tuple[WebAddress, ...] = ()
    rules: tuple[str, ...] = PACKS
    playbooks: tuple[str, ...] = ()
    hand: SocketPath | None = None
    evaluation_interval: Duration = seconds(15)
    compat: Compat = "prometheus3"
    resend_delay: Duration = seconds(60)
    retention: Duration = seconds(6 * 3600)
    series_max: int = 20_000
    threads_max: int = 64
    history: Duration = seconds(15 * 86_400)
    log_bytes_max: int = 256 << 20
    freezes: tuple[Freeze, ...] = ()
    doubt: DoubtTerms = TRUST
    warm_up: WarmUp = warm_up.USUAL
    unusual: UnusualTerms = USUAL
    drill: Objective = USUAL_DRILL
    probes: ProbeEntries = _NO_PROBES
    place: Place = Place("")

    def __post_init__(self) -> None:
        if not EVERY_MIN <= self.evaluation_interval <= EVERY_MAX:
            sentence = f"evaluation_interval: {self.evaluation_interval} is out of range"
            raise Misfit(sentence, f"choose {EVERY_MIN} to {EVERY_MAX}", key="evaluation_interval")
        if not self.probes:
            raise Misfit("there is no probe", "add at least one under probes:, like - host: {}")
        if not 1 <= self.threads_max <= 256:
            raise Misfit("threads_max is out of range", "choose 1 to 256", key="threads_max")


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that the agent of one host was told to do."""

    config: AgentConfig
    rule_files: tuple[RuleFile, ...]
    playbooks: tuple[Playbook, ...]
    effects: Mapping[str, Query] = field(default_factory=dict)  # verify.expr by playbook name
    modules: Mapping[str, Module] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Named:
    """The files that agent.yaml names, read even where the rest of it is wrong."""

    rules: tuple[str, ...] = PACKS
    playbooks: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    place: Place = Place("")


def load(path: Path) -> Installation:
    """Read agent.yaml and every file that it names; raises ``Rejected`` with all mistakes of all files."""
    data = files.read(path, FILE_BYTES_MAX)
    problems: list[Problem] = []
    config: AgentConfig | None = None
    named = _named(data, str(path))
    base = path.resolve().parent
    modules = _modules(named, base, problems)
    try:
        config = _decoded(data, str(path), modules)
        problems += [*_twins(config), *_strangers(config)]
    except Rejected as refused:
        problems += refused.problems
    rule_files = _each(named.rules, base, rules.packs.__path__[0], named.place, load_rules, problems)
    playbooks = _each(
        named.playbooks, base, remediations.playbooks.__path__[0], named.place, load_playbook, problems
    )
    effects = _effects(playbooks, problems)
    if problems or config is None:
        raise Rejected(tuple(problems))
    # A subquery that names no step takes the evaluation interval, as in Prometheus.
    step_ms = config.evaluation_interval.ms
    stepped = tuple(compiled_for(file, step_ms, config.compat) for file in rule_files)
    return Installation(config, stepped, tuple(playbooks), effects, modules)


def _decoded(data: bytes, file: str, modules: Mapping[str, Module]) -> AgentConfig:
    """Return agent.yaml, where each probe that names a module is told by it."""
    tree, problems = read_tree(data, file)
    decoder = Decoder()
    tree, decoder.problems[:] = told(tree, modules, problems)
    config = decoder.value(tree, AgentConfig)
    if decoder.problems:
        raise Rejected(tuple(decoder.problems))
    assert isinstance(config, AgentConfig), "what is missing was noted as a problem"
    return config


def _modules(named: _Named, base: Path, problems: list[Problem]) -> dict[str, Module]:
    """Return the modules of all files by name, or where no file is named, those that are shipped."""
    if not named.modules:
        return load_modules(DEFAULT_MODULES, "modules")
    modules: dict[str, Module] = {}
    for each in _each(named.modules, base, probes.net.__path__[0], named.place, load_modules, problems):
        for name in sorted(modules.keys() & each.keys()):
            sentence = f"the module {name!r} is defined in two files"
            problems.append(Problem(each[name].section.place, sentence, "rename one of them"))
        modules |= each
    return modules


def _named(data: bytes, file: str) -> _Named:
    tree, _ = read_tree(data, file)
    decoder = Decoder()
    named: object = MISSING
    if isinstance(tree, MappingNode):
        pairs = tuple(pair for pair in tree.pairs if pair[0].text in ("rules", "playbooks", "modules"))
        named = decoder.record(MappingNode(pairs, tree.place), _Named)
    return named if isinstance(named, _Named) else _Named(rules=())


def _effects(playbooks: Iterable[Playbook], problems: list[Problem]) -> dict[str, Query]:
    """Compile each ``verify.expr``; note the mistakes in them, and playbooks of one name."""
    effects: dict[str, Query] = {}
    names: set[str] = set()
    for playbook in playbooks:
        if playbook.playbook in names:
            sentence = f"the playbook {playbook.playbook!r} is defined twice"
            problems.append(Problem(playbook.place, sentence, "rename one of them"))
        names.add(playbook.playbook)
        _compile_effect(playbook, effects, problems)
    return effects


def _compile_effect(playbook: Playbook, effects: dict[str, Query], problems: list[Problem]) -> None:
    expr = playbook.verify.expr if playbook.verify else None
    if expr is None:
        return
    try:
        effects[playbook.playbook] = compile_query(expr.text)
    except Misfit as wrong:
        problems.append(Problem(expr.at(wrong.offset), wrong.sentence, wrong.cure))


def _twins(config: AgentConfig) -> list[Problem]:
    """Two probes of one name could not be told apart in a log, a metric or an alert."""
    seen: dict[str, ProbeEntry] = {}
    problems: list[Problem] = []
    for entry in config.probes:
        if entry.name in seen:
            sentence = (
                f"the probe {entry.name!r} is defined twice, first in line {seen[entry.name].place.line}"
            )
            problems.append(Problem(entry.place, sentence, "give one of them a name:"))
        seen.setdefault(entry.name, entry)
    return problems


def _strangers(config: AgentConfig) -> list[Problem]:
    """A reference that no probe looks at would never speak."""
    names = [entry.name for entry in config.probes]
    return [
        Problem(config.place, f"doubt.references: there is no probe {name!r}", nearest(name, names))
        for name in config.doubt.references
        if name not in names
    ]


def _each(
    words: tuple[str, ...],
    base: Path,
    shipped: str,
    place: Place,
    load_one: Callable[[bytes, str], Loaded],
    problems: list[Problem],
) -> list[Loaded]:
    """Load every file that the words name; note the mistakes of each."""
    loaded: list[Loaded] = []
    paths, unnamed = files.named(words, base, Path(shipped), place)
    problems += unnamed
    for path in paths:
        try:
            loaded.append(load_one(files.read(path, FILE_BYTES_MAX), str(path)))
        except Rejected as refused:
            problems += refused.problems
    return loaded
