"""Conditions and texts for people as they stand in a playbook, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from model.decode import MISSING, Decoder, Missing, nearest
from model.misfit import Misfit, Problem
from model.yaml_tree import Node, Scalar, Sequence
from remediations.redact import presentable
from remediations.writing.condition import Condition
from remediations.writing.condition_words import Unsound, Value

TEXT_CHARACTERS_MAX: Final = 500
SHOWN_CHARACTERS_MAX: Final = 120
HOLES_MAX: Final = 20

_HOLE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition as it stands in the file."""

    condition: Condition
    source: Scalar

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> Clause:
        """Read one expression; true and false may stand without quotes."""
        if not isinstance(node, Scalar):
            raise Misfit("a condition is a text", "write it like when: result.rc == 0")
        return cls(Condition.parse(node.text), node)

    def strangers(self, known: frozenset[str], offset: int = 0) -> Iterator[Problem]:
        """Yield each value that it starts from and that is not known there."""
        for name, at in self.condition.names.items():
            if name not in known:
                sentence = f"{name!r} is not known here"
                yield Problem(self.source.at(offset + at), sentence, nearest(name, sorted(known)))


@dataclass(frozen=True, slots=True)
class Clauses:
    """One condition or a list of them, which must all hold."""

    each: tuple[Clause, ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Clauses | Missing:
        """Read a text or a list of texts."""
        nodes = node.items if isinstance(node, Sequence) else (node,)
        found = [decoder.value(one, Clause) for one in nodes]
        return MISSING if MISSING in found else cls(tuple(found))

    def strangers(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield what each of them starts from and is not known there."""
        for clause in self.each:
            yield from clause.strangers(known)


NO_CLAUSES: Final = Clauses()


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression in a text, and where it stands in it."""

    clause: Clause
    offset: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people; each ``{{ expression }}`` in it is filled in when it is said."""

    parts: tuple[str | Hole, ...] = ()

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> Text:
        """Read one text and every expression in it."""
        if not isinstance(node, Scalar) or not node.text.strip():
            raise Misfit("expected a text", "write a sentence, like {{ labels.instance }} needs a human")
        if len(node.text) > TEXT_CHARACTERS_MAX or len(_HOLE.findall(node.text)) > HOLES_MAX:
            raise Misfit("the text is too long", f"keep it within {TEXT_CHARACTERS_MAX} characters")
        parts: list[str | Hole] = []
        at = 0
        for hole in _HOLE.finditer(node.text):
            parts += [node.text[at : hole.start()], _hole(hole, node)]
            at = hole.end()
        return cls((*parts, node.text[at:]))

    def strangers(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield what its expressions start from and is not known there."""
        for part in self.parts:
            if isinstance(part, Hole):
                yield from part.clause.strangers(known, part.offset)

    def said(self, values: Mapping[str, Value]) -> str:
        """Return it on one line, without secrets; what is not there is said to be unknown."""
        whole = "".join(part if isinstance(part, str) else _filled(part, values) for part in self.parts)
        return presentable(" ".join(whole.split()).encode(errors="replace"), 4 * TEXT_CHARACTERS_MAX)


def _hole(hole: re.Match[str], node: Scalar) -> Hole:
    try:
        return Hole(Clause(Condition.parse(hole[1]), node), hole.start(1))
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=hole.start(1) + wrong.offset) from None


def _filled(hole: Hole, values: Mapping[str, Value]) -> str:
    try:
        found = hole.clause.condition.value(values)
    except Unsound:
        return "(unknown)"
    return str(found)[:SHOWN_CHARACTERS_MAX]
