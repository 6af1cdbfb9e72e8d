"""Whom an impact affects: ``everyone``, ``uses``, or ``uses and region={{ region }}``."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

SCOPES_MAX: Final = 1_000

_AND: Final = re.compile(r"\s+and\s+")
_TERM: Final = re.compile(
    r"(?P<tag>[A-Za-z_][A-Za-z0-9_-]*)\s*=\s*"
    r"(?:\{\{\s*(?P<label>[A-Za-z_][A-Za-z0-9_]*)\s*\}\}|(?P<value>[^\s\"'={}]+))"
)
_CURE: Final = "write everyone, uses, or uses and region={{ region }}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A tag that a customer must carry, with a fixed value or with that of a label of the alert."""

    tag: str
    value: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which customers are meant, with every value known; ``tags`` must all hold."""

    everyone: bool = False
    uses: bool = False
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeUnresolved:
    """A scope that cannot be known, and therefore means nobody; the reason is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Affects:
    """The wording of a scope; labels of an alert make it a ``Scope``."""

    everyone: bool = False
    uses: bool = False
    where: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Affects:
        """Read ``everyone``, or ``uses`` and conditions joined by ``and``."""
        if text == "everyone":
            return cls(everyone=True)
        where: list[Condition] = []
        uses, start = False, 0
        for term in _AND.split(text):
            offset = text.index(term, start)
            start = offset + len(term)
            shape = _TERM.fullmatch(term)
            if term == "uses" and not uses:
                uses = True
            elif shape is None:
                raise Misfit(f"{term[:40]!r} names nobody", _CURE, offset=offset)
            elif shape["tag"] in [known.tag for known in where]:
                raise Misfit(f"the tag {shape['tag']!r} is given twice", "keep one of them", offset=offset)
            else:
                where.append(Condition(shape["tag"], shape["value"] or "", shape["label"] or ""))
        return cls(uses=uses, where=tuple(where))

    def scope(self, labels: Mapping[str, str]) -> Scope | ScopeUnresolved:
        """Return the scope for an alert; a label that it lacks leaves the scope unresolved."""
        for condition in self.where:
            if condition.label and not labels.get(condition.label, ""):
                return ScopeUnresolved(f"the alert has no label {condition.label!r}, which the scope needs")
        return Scope(
            self.everyone,
            self.uses,
            tuple((one.tag, labels[one.label] if one.label else one.value) for one in self.where),
        )

    def __str__(self) -> str:
        if self.everyone:
            return "everyone"
        words = [
            f"{one.tag}={{{{ {one.label} }}}}" if one.label else f"{one.tag}={one.value}"
            for one in self.where
        ]
        return " and ".join((*(["uses"] if self.uses else []), *words))

    @property
    def narrowed(self) -> bool:
        """Whether a label of the alert decides who is meant."""
        return any(condition.label for condition in self.where)

    def scopes(
        self, labels: Mapping[str, str], host: Mapping[str, tuple[str, ...]]
    ) -> tuple[Scope, ...] | ScopeUnresolved:
        """Return the scopes for an alert; what it does not say its host's labels in the catalogue do.

        A host that serves several, like two shards, gives a scope for each. Where both speak and differ,
        nobody knows which is true, and nobody is meant.
        """
        choices: dict[str, tuple[str, ...]] = {}
        for name in (condition.label for condition in self.where if condition.label):
            said, known = labels.get(name, ""), host.get(name, ())
            if said and known and said not in known:
                return ScopeUnresolved(
                    f"the alert says {name}={said[:60]}, but its host serves {', '.join(known[:5])}"
                )
            choices[name] = (said,) if said else known
            if not choices[name]:
                return ScopeUnresolved(f"the alert has no label {name!r}, which the scope needs")
        if math.prod(map(len, choices.values())) > SCOPES_MAX:
            return ScopeUnresolved(f"its host serves more than {SCOPES_MAX} places")
        found = (
            self.scope(dict(zip(choices, values, strict=True)))
            for values in itertools.product(*choices.values())
        )
        return tuple(one for one in found if isinstance(one, Scope))


USES: Final = Affects(uses=True)
