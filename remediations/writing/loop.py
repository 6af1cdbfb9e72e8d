"""Loops: the items that a playbook writes, put into a task's options before these are read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from model.decode import Decoder
from model.misfit import Misfit
from model.yaml_tree import Mapping, Node, Scalar, Sequence

ITEMS_MAX: Final = 50

_HOLE: Final = re.compile(r"\{\{\s*item(?:\.([A-Za-z_][A-Za-z0-9_]*))?\s*\}\}")

Item = str | dict[str, str]


def items(node: Node, decoder: Decoder) -> tuple[Item, ...]:
    """Return what a loop goes over: texts, or mappings of texts, as they stand in the file."""
    cure = "write the items themselves, like loop: [a, b]; what a step said cannot become an item"
    if not isinstance(node, Sequence) or not node.items:
        decoder.refuse(node.place, "a loop goes over a list that stands here", cure)
        return ()
    if len(node.items) > ITEMS_MAX:
        decoder.refuse(node.place, f"the loop has {len(node.items)} items", f"keep it within {ITEMS_MAX}")
    found: list[Item] = []
    for one in node.items:
        if isinstance(one, Scalar) and "{{" not in one.text:
            found.append(one.text)
        elif isinstance(one, Mapping) and all(isinstance(child, Scalar) for _, child in one.pairs):
            found.append({key.text: child.text for key, child in one.pairs if isinstance(child, Scalar)})
        else:
            decoder.refuse(one.place, "an item is a text, or a mapping of texts", cure)
    return tuple(found)


def expanded(node: Node, item: Item) -> Node:
    """Return the options with the item in place of each ``{{ item }}`` or ``{{ item.key }}``."""
    if isinstance(node, Scalar):
        if not _HOLE.search(node.text):
            return node
        return replace(node, text=_HOLE.sub(lambda hole: _filled(hole, item), node.text), source=())
    if isinstance(node, Sequence):
        return replace(node, items=tuple(expanded(one, item) for one in node.items))
    return replace(node, pairs=tuple((key, expanded(child, item)) for key, child in node.pairs))


def _filled(hole: re.Match[str], item: Item) -> str:
    name = hole[1]
    if name is None and isinstance(item, str):
        return item
    if name is not None and isinstance(item, dict) and name in item:
        return item[name]
    raise Misfit(f"the item has no {hole[0]}", "write {{ item }} for a text, {{ item.key }} for a mapping")
