"""Modules of blackbox_exporter in agent.yaml: which files have them, and which probe is told by one."""

from __future__ import annotations

from collections.abc import Mapping

from model.decode import nearest
from model.duration import Duration
from model.misfit import Misfit, Problem
from model.yaml_tree import Mapping as MappingNode
from model.yaml_tree import Node, Scalar, Sequence
from probes import BY_NAME
from probes.net.modules import PROBERS, Module

_KEY = "module"


def told(tree: Node, modules: Mapping[str, Module], problems: list[Problem]) -> tuple[Node, list[Problem]]:
    """Return agent.yaml with what each named module says laid under the probe that names it.

    The problems are those that were known, and new ones.
    """
    problems = [*problems]
    items = tree.get("probes") if isinstance(tree, MappingNode) else None
    if not isinstance(tree, MappingNode) or not isinstance(items, Sequence):
        return tree, problems
    laid = Sequence(tuple(_item(item, modules, problems) for item in items.items), items.place)
    pairs = tuple((key, laid if key.text == "probes" else node) for key, node in tree.pairs)
    return MappingNode(pairs, tree.place), problems


def _item(item: Node, modules: Mapping[str, Module], problems: list[Problem]) -> Node:
    if not isinstance(item, MappingNode):
        return item
    for key, node in item.pairs:
        named = node.get(_KEY) if key.text in PROBERS and isinstance(node, MappingNode) else None
        if isinstance(node, MappingNode) and isinstance(named, Scalar):
            return _laid_under(item, (key, node), named, modules, problems)
    return item


def _laid_under(
    item: MappingNode,
    kind: tuple[Scalar, MappingNode],
    named: Scalar,
    modules: Mapping[str, Module],
    problems: list[Problem],
) -> Node:
    """Return an item with its module's keys, where its own do not stand in their place."""
    key, own = kind
    module = modules.get(named.text)
    if module is None:
        cure = nearest(named.text, modules) if modules else "name its file under modules:"
        problems.append(Problem(named.place, f"there is no module {named.text!r}", cure))
    elif module.probe.name != key.text:
        sentence = f"the module {named.text!r} is one of {module.probe.name}"
        problems.append(
            Problem(named.place, sentence, f"write - {module.probe.name}: in place of {key.text}:")
        )
    fits = module is not None and module.probe.name == key.text
    written = {one.text for one, _ in own.pairs}
    below = [pair for pair in module.section.pairs if pair[0].text not in written] if module and fits else []
    above = (pair for pair in own.pairs if pair[0].text != _KEY)
    whole = MappingNode((*below, *above), own.place)
    pairs = tuple((one, whole if one is key else node) for one, node in item.pairs)
    timeout = _timeout(item, module) if module else None
    if timeout is not None:
        pairs += ((Scalar("timeout", plain=True, place=named.place), timeout),)
    return MappingNode(pairs, item.place)


def _timeout(item: MappingNode, module: Module) -> Scalar | None:
    """Return the module's time-out where the item has none of its own, and its slot has room for it."""
    if module.timeout is None or item.get("timeout") is not None:
        return None
    every, written = BY_NAME[module.probe.name].every, item.get("every")
    if isinstance(written, Scalar):
        try:
            every = Duration.parse(written.text)
        except Misfit:
            return None  # told where it is read
    return Scalar(str(min(module.timeout, every)), plain=True, place=item.place)
