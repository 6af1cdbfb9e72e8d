"""Rule files as Prometheus 3.5 reads them (model/rulefmt), strictly and with every mistake at once.

Texts are taken as they are written, as Go's YAML does: ``port: 0x720`` and ``critical: yes`` stay texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from model import yaml_tree
from model.decode import MISSING, Decoder, Raw
from model.duration import Duration
from model.labels import NAME
from model.misfit import NOWHERE, Misfit, Place, Problem, Rejected
from model.yaml_tree import Limits, Node, Scalar, Sequence, read_tree
from rules.promql import Query, compile_query, syntax
from rules.promql.check import KIND_WORDS
from rules.promql.dialect import Compat
from rules.template.template import Template
from rules.template.value import View

# The largest public collections have about 1 MB and some thousand rules in a file.
LIMITS: Final = Limits(file_bytes_max=4 << 20, nodes_max=200_000, aliases_max=1000, merge_keys=True)

RULES_MAX: Final = 4000
"""How many rules one file may hold: more are a generator's mistake, and would cost the host its rest."""

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_ALERTS_ONLY: Final = ("for", "keep_firing_for", "annotations")


class Name(Raw):
    """The name of a group or an alert: any text but the empty one."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Name:
        """Take any text that is not empty."""
        if not text:
            raise Misfit("the name is empty", "write a name")
        return cls(text)


class MetricName(Raw):
    """The name that a recording rule gives to its series."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """Read a metric name of letters, digits, underscores and colons."""
        if not _METRIC.fullmatch(text):
            raise Misfit(
                f"{text[:60]!r} is not a metric name", "use letters, digits, _ and :, no digit first"
            )
        return cls(text)


@dataclass(frozen=True, slots=True)
class Expression:
    """A PromQL expression that yields values for label sets, compiled when the file is read."""

    text: str
    query: Query = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Compile the expression, or raise ``Misfit`` with the offset of the mistake."""
        query = compile_query(text)
        if query.kind not in ("vector", "scalar"):
            raise Misfit(
                f"a rule cannot use {KIND_WORDS[query.kind]}", "write an expression that yields a vector"
            )
        return cls(text, query)


@dataclass(frozen=True, slots=True)
class Templates:
    """Labels or annotations: each name with the template of its text."""

    each: tuple[tuple[str, Template], ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Any:
        """Read a mapping of label names to texts; each mistake is noted at its own place."""
        if _is_null(node):
            return cls()
        if not isinstance(node, yaml_tree.Mapping):
            return decoder.value(node, dict[str, Template])
        each: list[tuple[str, Any]] = []
        for name, child in node.pairs:
            if not _LABEL.fullmatch(name.text) or name.text == NAME:
                cure = "use letters, digits and _, no digit first, and not __name__"
                decoder.refuse(name.place, f"{name.text[:60]!r} may not name a label", cure)
            template = Template.parse("") if _is_null(child) else decoder.value(child, Template)
            each.append((name.text, template))
        return MISSING if any(template is MISSING for _, template in each) else cls(tuple(each))

    def over(self, others: Templates) -> Templates:
        """Return these laid over others."""
        return Templates(tuple({**dict(others.each), **dict(self.each)}.items()))

    def render(self, view: View) -> dict[str, str]:
        """Return the texts for this view."""
        return {name: template.render(view) for name, template in self.each}

    def texts(self) -> dict[str, str]:
        """Return the texts as they are written, for what is no template."""
        return {name: template.text for name, template in self.each}


_NONE: Final = Templates()


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """A rule whose every result is an alert."""

    alert: Name
    expr: Expression
    for_: Duration = Duration(0)
    keep_firing_for: Duration = Duration(0)
    labels: Templates = _NONE
    annotations: Templates = _NONE
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The value of the label ``alertname``."""
        return self.alert


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A rule whose results are kept as series of their own; its labels are texts, no templates."""

    record: MetricName
    expr: Expression
    labels: Templates = _NONE
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The metric name of what it records."""
        return self.record


Rule = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a group in their order."""

    each: tuple[Rule, ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Any:
        """Read a list of alerting and recording rules."""
        if _is_null(node):
            return cls()
        if not isinstance(node, Sequence):
            return decoder.value(node, tuple[AlertingRule, ...])
        each = [_rule(item, decoder) for item in node.items]
        return MISSING if MISSING in each else cls(tuple(each))


_NO_RULES: Final = Rules()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are judged one after the other at one time.

    ``interval`` is None where the agent's own holds; ``limit`` is the most results of a rule, 0 for any
    number. The group's ``labels`` are already laid under those of its rules.
    """

    name: Name
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int = 0
    labels: Templates = _NONE
    rules: Rules = _NO_RULES
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        laid = tuple(replace(rule, labels=rule.labels.over(self.labels)) for rule in self.rules.each)
        object.__setattr__(self, "rules", Rules(laid))


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What one rule file holds."""

    groups: tuple[Group, ...] = ()
    place: Place = NOWHERE

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.place.file


def load_rules(data: bytes, file: str) -> RuleFile:
    """Return the rules of a file, or raise ``Rejected`` with every mistake in it."""
    decoder = Decoder()
    tree, decoder.problems[:] = read_tree(data, file, LIMITS)
    value = decoder.value(tree, RuleFile)
    _refuse_repeated_groups(tree, decoder)
    many = sum(len(group.rules.each) for group in value.groups) if isinstance(value, RuleFile) else 0
    if many > RULES_MAX:
        decoder.refuse(Place(file), f"the file holds {many} rules", f"keep it within {RULES_MAX}")
    if decoder.problems:
        raise Rejected(tuple(decoder.problems))
    assert isinstance(value, RuleFile), "what is missing was noted as a problem"
    return value


def compiled_for(file: RuleFile, step_ms: int, compat: Compat = "prometheus3") -> RuleFile:
    """Return the rules with their expressions compiled anew for other terms, or raise ``Rejected``.

    ``step_ms`` is the step of subqueries that name none, ``compat`` which Prometheus' meaning holds.
    """
    problems: list[Problem] = []

    def again(rule: Rule) -> Rule:
        if compat == rule.expr.query.dialect.compat and not _steps_by_default(rule.expr.query.tree):
            return rule
        try:
            query = compile_query(rule.expr.text, step_ms, compat)
        except Misfit as wrong:
            problems.append(Problem(rule.place, wrong.sentence, wrong.cure))
            return rule
        return replace(rule, expr=Expression(rule.expr.text, query))

    groups = tuple(
        replace(group, rules=Rules(tuple(again(rule) for rule in group.rules.each))) for group in file.groups
    )
    if problems:
        raise Rejected(tuple(problems))
    return replace(file, groups=groups)


def _steps_by_default(tree: syntax.Node) -> bool:
    """Tell whether a subquery in it names no step of its own."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, syntax.Subquery) and node.step_ms is None:
            return True
        left += syntax.children(node)
    return False


def _rule(node: Node, decoder: Decoder) -> Any:
    """Read one rule as what its keys make it; without alert: or record: it is read as an alert."""
    if not isinstance(node, yaml_tree.Mapping) or node.get("record") is None:
        return decoder.value(node, AlertingRule)
    if node.get("alert") is not None:
        decoder.refuse(node.place, "a rule has both alert: and record:", "make two rules of it")
        return MISSING
    wrong = [key for key, _ in node.pairs if key.text in _ALERTS_ONLY]
    for key in wrong:
        decoder.refuse(key.place, f"a recording rule has no {key.text!r}", "remove it")
    rest = tuple(pair for pair in node.pairs if pair[0] not in wrong)
    return decoder.value(replace(node, pairs=rest), RecordingRule)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in _NULLS


def _refuse_repeated_groups(tree: Node, decoder: Decoder) -> None:
    """Two groups of one name would share their slot, their metrics and their page."""
    lines: dict[str, int] = {}
    for name in _group_names(tree):
        if name.text in lines:
            sentence = f"the group {name.text[:60]!r} stands already in line {lines[name.text]}"
            decoder.refuse(name.place, sentence, "give each group of a file its own name")
        lines.setdefault(name.text, name.place.line)


def _group_names(tree: Node) -> Iterator[Scalar]:
    groups = tree.get("groups") if isinstance(tree, yaml_tree.Mapping) else None
    for group in groups.items if isinstance(groups, Sequence) else ():
        name = group.get("name") if isinstance(group, yaml_tree.Mapping) else None
        if isinstance(name, Scalar):
            yield name
