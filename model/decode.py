"""From a YAML tree to typed values, strictly: every mistake of a file at once, each with its cure.

A type says all there is to say: a dataclass field is a key, its default makes the key optional, and
unknown keys are mistakes. A Python name ending in an underscore stands for the key without it
(``for_`` is ``for``); a field of type ``Place`` is filled with where the mapping stands. A class with
``parse(text)`` reads a scalar and a class with ``decode(node, decoder)`` reads any node; both raise
``Misfit``. A dataclass may raise ``Misfit`` from ``__post_init__`` to judge its fields together.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import enum
import math
import re
import types
import typing
from typing import Any, Final, TypeVar, cast

from model.misfit import Misfit, Place, Problem, Rejected
from model.yaml_tree import Limits, Mapping, Node, Scalar, Sequence, read_tree

T = TypeVar("T")

_NUMBER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_NUMBERLIKE: Final = re.compile(r"[-+]?\.?[0-9][0-9_.,:eExXoO+-]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Raw(str):
    """A text taken as it is written, whatever it looks like, as Go's YAML does for a string."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Raw:
        """Take any text."""
        return cls(text)


class Missing(enum.Enum):
    """The type of ``MISSING``, which stands for a value that could not be read."""

    MISSING = enum.auto()


MISSING: Final = Missing.MISSING


class Decoder:
    """Turns nodes into typed values and gathers the problems on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refuse(self, place: Place, sentence: str, cure: str) -> None:
        """Note one mistake."""
        self.problems.append(Problem(place, sentence, cure))

    def value(self, node: Node, kind: Any) -> Any:
        """Return the node as a value of this type, or ``MISSING`` after noting why not."""
        if typing.get_origin(kind) is not None:
            return self._generic(node, typing.get_origin(kind), typing.get_args(kind))
        if hasattr(kind, "decode") and not issubclass(kind, str):
            return self._misfits(node, lambda: kind.decode(node, self))
        if dataclasses.is_dataclass(kind) and not hasattr(kind, "parse"):
            return self.record(node, cast("type[Any]", kind))
        return self._scalar(node, kind)

    def _generic(self, node: Node, origin: Any, args: tuple[Any, ...]) -> Any:
        if origin in (typing.Union, types.UnionType):
            return self._optional(node, args)
        if origin is tuple:
            return self._tuple(node, args[0])
        if origin is typing.Literal:
            return self._choice(node, {word: word for word in args})
        assert origin in (dict, collections.abc.Mapping), f"no way to read a {origin}"
        return self._mapping(node, args[1])

    def record(self, node: Node, kind: type[T]) -> T | Missing:
        """Return a mapping as a dataclass."""
        if not isinstance(node, Mapping):
            self.refuse(node.place, f"expected a mapping, got {_describe(node)}", f"write {_example(kind)}")
            return MISSING
        fields = _fields(kind)
        known = len(self.problems)
        values: dict[str, Any] = {}
        for key, child in node.pairs:
            if key.text not in fields:
                self.refuse(key.place, f"unknown key {key.text!r}", nearest(key.text, fields))
                continue
            name, inner = fields[key.text]
            values[name] = self.value(child, inner)
        for key_name, (name, inner) in fields.items():
            if inner is Place:
                values[name] = node.place
            elif name not in values and _required(kind, name):
                self.refuse(node.place, f"the key {key_name!r} is missing", f"add {key_name}:")
        if len(self.problems) > known or MISSING in values.values():
            return MISSING
        return cast("T | Missing", self._misfits(node, lambda: kind(**values)))

    def _misfits(self, node: Node, make: collections.abc.Callable[[], Any]) -> Any:
        """Call ``make``; note a misfit at the place that it names."""
        try:
            return make()
        except Misfit as wrong:
            place = node.place
            if isinstance(node, Scalar):
                place = node.at(wrong.offset)
            elif isinstance(node, Mapping) and wrong.key:
                place = next((key.place for key, _ in node.pairs if key.text == wrong.key), place)
            self.refuse(place, wrong.sentence, wrong.cure)
            return MISSING

    def _optional(self, node: Node, args: tuple[Any, ...]) -> Any:
        kinds = [arg for arg in args if arg is not types.NoneType]
        assert len(kinds) == 1, "a choice of types needs a class with decode()"
        if (
            isinstance(node, Scalar)
            and node.plain
            and node.text in ("", "~", "null")
            and len(kinds) < len(args)
        ):
            return None
        return self.value(node, kinds[0])

    def _tuple(self, node: Node, inner: Any) -> Any:
        if not isinstance(node, Sequence):
            self.refuse(
                node.place, f"expected a list, got {_describe(node)}", "write - before each item, or [a, b]"
            )
            return MISSING
        values = tuple(self.value(item, inner) for item in node.items)
        return MISSING if MISSING in values else values

    def _mapping(self, node: Node, inner: Any) -> Any:
        if not isinstance(node, Mapping):
            self.refuse(node.place, f"expected a mapping, got {_describe(node)}", "write name: value")
            return MISSING
        values = {key.text: self.value(child, inner) for key, child in node.pairs}
        return MISSING if MISSING in values.values() else values

    def _scalar(self, node: Node, kind: Any) -> Any:
        if not isinstance(node, Scalar):
            self.refuse(node.place, f"expected {_word(kind)}, got {_describe(node)}", "write one value")
            return MISSING
        if hasattr(kind, "parse"):
            return self._misfits(node, lambda: kind.parse(node.text))
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self._choice(node, {str(member.value): member for member in kind})
        return self._misfits(node, lambda: _READERS[kind](node))

    def _choice(self, node: Node, words: dict[str, Any]) -> Any:
        if not isinstance(node, Scalar) or node.text not in words:
            got = repr(node.text) if isinstance(node, Scalar) else _describe(node)
            self.refuse(node.place, f"expected one of {', '.join(words)}, got {got}", "write one of them")
            return MISSING
        return words[node.text]


def decode(data: bytes, file: str, kind: type[T], limits: Limits = Limits()) -> T:
    """Return a YAML file as a value of this type, or raise ``Rejected`` with every mistake in it."""
    decoder = Decoder()
    tree, decoder.problems[:] = read_tree(data, file, limits)
    value = decoder.value(tree, kind)
    if decoder.problems:
        raise Rejected(tuple(decoder.problems))
    assert value is not MISSING, "what is missing was noted as a problem"
    return cast("T", value)


def _text(node: Scalar) -> str:
    if node.plain and (_NUMBERLIKE.fullmatch(node.text) or node.text in ("true", "false", "null", "~", "")):
        raise Misfit(f"expected a text, got {node.text or 'nothing'}", "put it in quotes")
    return node.text


def _integer(node: Scalar) -> int:
    number = _number(node)
    if not number.is_integer():
        raise Misfit(f"expected a whole number, got {node.text}", "leave out the fraction")
    return int(number)


def _number(node: Scalar) -> float:
    shape = _NUMBER.fullmatch(node.text) if node.plain else None
    value = float(node.text) if shape else math.nan
    if not math.isfinite(value):
        cure = "write it without quotes, in decimal, like 12 or 0.5"
        raise Misfit(f"expected a number, got {node.text[:40]!r}", cure)
    return value


def _truth(node: Scalar) -> bool:
    if not node.plain or node.text not in ("true", "false"):
        raise Misfit(f"expected true or false, got {node.text[:40]!r}", "write true or false")
    return node.text == "true"


_READERS: Final[dict[Any, collections.abc.Callable[[Scalar], Any]]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _truth,
}


_FIELDS: Final[dict[Any, dict[str, tuple[str, Any]]]] = {}


def _fields(kind: Any) -> dict[str, tuple[str, Any]]:
    """Map each YAML key of a dataclass to its field's name and type."""
    if kind not in _FIELDS:
        hints = typing.get_type_hints(kind)
        _FIELDS[kind] = {
            field.name.removesuffix("_"): (field.name, hints[field.name])
            for field in dataclasses.fields(kind)
            if field.init
        }
    return _FIELDS[kind]


def _required(kind: Any, name: str) -> bool:
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def nearest(word: str, known: collections.abc.Iterable[str]) -> str:
    """Return a cure that names the known word nearest to a wrong one."""
    names = [name for name in known if name != "place"]
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the keys here are {', '.join(names)}"


def _describe(node: Node) -> str:
    if isinstance(node, Scalar):
        return repr(node.text[:40]) if node.text else "nothing"
    return "a list" if isinstance(node, Sequence) else "a mapping"


def _word(kind: Any) -> str:
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(kind, f"a {getattr(kind, '__name__', 'value').lower()}")


def _example(kind: type[Any]) -> str:
    names = [key for key, (_, inner) in _fields(kind).items() if inner is not Place]
    return " and ".join(f"{name}: ..." for name in names[:2])
