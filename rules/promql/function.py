"""The shape of a function of the language: what it takes, what it yields, and how its work is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rules.promql.dialect import Dialect
from rules.promql.moment import Matrix, ScalarOf, VectorOf
from rules.promql.syntax import Call, Kind


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, made ready and sorted by kind, each kind in the order written.

    ``vector`` and ``matrix`` are set where the function takes one: the check has seen to it.
    """

    call: Call
    dialect: Dialect
    scalars: tuple[ScalarOf, ...]
    strings: tuple[str, ...]
    vectors: tuple[VectorOf, ...]
    matrices: tuple[Matrix, ...]

    @property
    def vector(self) -> VectorOf:
        """The one vector that the function takes."""
        return self.vectors[0]

    @property
    def matrix(self) -> Matrix:
        """The one range vector that the function takes."""
        return self.matrices[0]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its name, the kinds of its arguments, and what makes its work from them.

    ``required`` tells how many arguments must be there; with ``repeats`` the last kind may come again.
    ``only`` names the dialect that it takes to have the function.
    """

    name: str
    takes: tuple[Kind, ...]
    make: Callable[[Arguments], VectorOf]
    required: int = -1
    repeats: bool = False
    only: Literal["any", "experimental", "prometheus2"] = "any"

    @property
    def required_count(self) -> int:
        """How many arguments must be given."""
        return len(self.takes) if self.required < 0 else self.required


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """A function that yields a scalar."""

    name: str
    takes: tuple[Kind, ...]
    make: Callable[[Arguments], ScalarOf]

    @property
    def required_count(self) -> int:
        """How many arguments must be given."""
        return len(self.takes)
