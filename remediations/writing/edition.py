"""Which edition of a playbook this is: evidence for one says nothing about another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Final

from model.misfit import Place
from model.plugin import Action, Unplannable
from model.step import Host
from model.yaml_tree import Scalar
from remediations.asking.approval import digest
from remediations.writing.clause import Clause
from remediations.writing.playbook import Playbook

UNHEEDED: Final = frozenset({"mode", "summary", "promote_after"})
"""The keys of a playbook that change nothing about what it does, or when."""


def edition(playbook: Playbook, host: Host) -> str:
    """Return the SHA-256 of all that a playbook says and of all steps that it could take on this host.

    Comments, layout, and keys that are written as their default say make no difference.
    """
    said = {name: value for name, value in _fields(playbook) if name not in UNHEEDED}
    try:
        steps = digest(playbook, host)
    except Unplannable as wrong:
        steps = f"unplannable: {wrong}"
    return hashlib.sha256(json.dumps([said, steps], sort_keys=True).encode()).hexdigest()


def _fields(value: object) -> Iterator[tuple[str, object]]:
    """Yield the fields of a dataclass that are compared and are not as their default has them."""
    assert dataclasses.is_dataclass(value), "only dataclasses have fields"
    for field in dataclasses.fields(value):
        found = getattr(value, field.name)
        usual = field.default_factory() if callable(field.default_factory) else field.default
        if field.compare and not isinstance(found, Place) and found != usual:
            yield field.name, _plain(found)


def _plain(value: object) -> object:
    if isinstance(value, Action):
        return value.name
    if isinstance(value, Clause | Scalar):
        return value.source.text if isinstance(value, Clause) else value.text
    if dataclasses.is_dataclass(value):
        return {"kind": type(value).__name__, **dict(_fields(value))}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, frozenset):
        return sorted(str(one) for one in value)
    return value if value is None or isinstance(value, int | float) else str(value)
