"""What is no mistake in a rule file and yet seldom meant: findings, each with its place and a cure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from model.misfit import Misfit, Place
from rules.file import AlertingRule, Rule, RuleFile
from rules.lint.scope import fleet_wide
from rules.lint.units import confused
from rules.promql import compile_query
from rules.template.template import Template
from rules.template.tree import Call, Dot, Literal, Operand, Part, Root, Text

HOST_LABELS: Final = frozenset((
    "instance", "exported_instance", "host", "hostname", "node", "nodename", "name", "server", "pod",
    "container", "ip", "address", "addr", "device", "mountpoint", "target", "job", "group",
))  # fmt: skip
_ADDRESS: Final = re.compile(
    r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\]|[a-zA-Z][\w-]*(?:\.[\w-]+)*:[0-9]{2,5}\b"
)
_COMPARING: Final = ("eq", "ne", "lt", "le", "gt", "ge")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a person should look at; ``lint`` is the name of what looks for it."""

    place: Place
    lint: str
    sentence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.place}: warning: {self.sentence}; {self.cure} ({self.lint})"


def lint_file(file: RuleFile, names: Iterable[str]) -> list[Finding]:
    """Return what the lints of these names find in one rule file, in the order of its lines."""
    wanted = frozenset(names)
    found = list(_repeated(file)) if "duplicate-rules" in wanted else []
    for group in file.groups:
        for rule in group.rules.each:
            for name, look in RULE_LINTS.items():
                if name in wanted:
                    found += (Finding(rule.place, name, *said) for said in look(rule))
    return sorted(found)


def _repeated(file: RuleFile) -> Iterator[Finding]:
    """Find rules of one kind, name and labels, as promtool does, whatever their expressions."""
    lines: dict[tuple[type[Rule], str, frozenset[tuple[str, str]]], int] = {}
    for group in file.groups:
        for rule in group.rules.each:
            key = (type(rule), rule.name, frozenset(rule.labels.texts().items()))
            if key in lines:
                sentence = f"the rule {rule.name[:60]!r} has the same labels as the one in line {lines[key]}"
                yield Finding(rule.place, "duplicate-rules", sentence, "tell them apart by a label")
            lines.setdefault(key, rule.place.line)


def _value_in_labels(rule: Rule) -> Iterator[tuple[str, str]]:
    """Find labels that change with the value, so that each evaluation makes another alert."""
    if isinstance(rule, AlertingRule):
        for name, template in rule.labels.each:
            if any(operand == Part(Root(), "Value") for operand in template.body.operands()):
                sentence = f"the label {name!r} of {rule.name[:60]!r} changes with $value"
                yield sentence, "put the value into an annotation: each new label set is another alert"


def _customer_words(rule: Rule) -> Iterator[tuple[str, str]]:
    """Find notices to customers in which a host or an address may appear."""
    if not isinstance(rule, AlertingRule):
        return
    for name, template in rule.annotations.each:
        if name == "notice" or name.startswith("notice_"):
            for shown in _hosts(template):
                sentence = f"the {name} of {rule.name[:60]!r} tells customers {shown}"
                yield sentence, "say what they feel, in their words"


def _hosts(template: Template) -> Iterator[str]:
    labels = Part(Root(), "Labels")
    operands = list(template.body.operands())
    looked_into = [operand.of for operand in operands if isinstance(operand, Part)]
    for operand in operands:
        if isinstance(operand, Part) and operand.of == labels and operand.name in HOST_LABELS:
            yield f"the label {operand.name}"
        elif operand in (labels, Root(), Dot()) and not any(operand is inside for inside in looked_into):
            yield "labels as a whole"
    for node in template.body.nodes:
        found = _ADDRESS.search(node.text) if isinstance(node, Text) else None
        if found:
            yield f"the address {found[0]}"


def _percentages(rule: Rule) -> Iterator[tuple[str, str]]:
    for mistake in confused(rule.expr.query.tree):
        yield f"{rule.name[:60]!r} {mistake.sentence}", mistake.cure


def _fleet_scope(rule: Rule) -> Iterator[tuple[str, str]]:
    if fleet_wide(rule.expr.query.tree):
        sentence = (
            f"{rule.name[:60]!r} aggregates the label instance away, and an agent sees only its own host"
        )
        cure = "keep instance in it, or give it to a Prometheus, Mimir or Thanos ruler that feeds the desk"
        yield sentence, cure


def _template_mistakes(rule: Rule) -> Iterator[tuple[str, str]]:
    """Find what Go's templates accept and then print as an error."""
    if not isinstance(rule, AlertingRule):
        return
    for name, template in (*rule.labels.each, *rule.annotations.each):
        for operand in template.body.operands():
            for mistake, cure in _broken(operand):
                yield f"{name!r} of {rule.name[:60]!r} {mistake}", cure


def _broken(operand: Operand) -> Iterator[tuple[str, str]]:
    if not isinstance(operand, Call):
        return
    arguments = operand.arguments
    if operand.name in _COMPARING and Part(Root(), "Value") in arguments:
        whole = [one.value for one in arguments if isinstance(one, Literal) and type(one.value) is int]
        if whole:
            yield f"compares $value with {whole[0]}, which fails in Go", f"write {whole[0]}.0"
    if operand.name == "query" and isinstance(arguments[0], Literal) and isinstance(arguments[0].value, str):
        try:
            compile_query(arguments[0].value)
        except Misfit as wrong:
            yield f"asks for what cannot be read: {wrong.sentence}", wrong.cure


Look = Callable[[Rule], Iterator[tuple[str, str]]]

RULE_LINTS: Final = MappingProxyType[str, Look](
    {
        "value-in-labels": _value_in_labels,
        "customer-words": _customer_words,
        "percentages": _percentages,
        "fleet-scope": _fleet_scope,
        "template-mistakes": _template_mistakes,
    }
)
FILE_LINTS: Final = ("duplicate-rules", *RULE_LINTS)
