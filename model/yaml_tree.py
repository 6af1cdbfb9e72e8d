"""YAML as a tree of nodes with places, read from the event stream within limits.

The tree is built from events and not by a loader: a loader recurses (deep nesting would end the
process), lets a repeated key win silently, expands aliases without bound and guesses types.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import yaml

from model.misfit import Place, Problem, Rejected

FILE_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 32
NODES_MAX: Final = 50_000
ALIASES_MAX: Final = 50

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BINARY: Final = "tag:yaml.org,2002:binary"
_ENDS: Final = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_STARTS: Final = (yaml.SequenceStartEvent, yaml.MappingStartEvent)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; ``plain`` when it stood without quotes, so that 12 and "12" can be told apart."""

    text: str
    plain: bool
    place: Place
    source: tuple[str, ...] = ()  # the lines of a block scalar as they stand in the file

    def at(self, offset: int) -> Place:
        """Return the place in the file of a character of this text."""
        if not self.source:
            return Place(self.place.file, self.place.line, self.place.column + offset + (not self.plain))
        row = self.text.count("\n", 0, offset)
        column = offset - (self.text.rfind("\n", 0, offset) + 1)
        line = self.source[row] if row < len(self.source) else ""
        indent = len(self.source[0]) - len(self.source[0].lstrip()) if line else 0
        return Place(self.place.file, self.place.line + 1 + row, indent + column + 1)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs of a key and a node, in the order written."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """Return the node under this key."""
        return next((node for name, node in self.pairs if name.text == key), None)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one file may hold; ``merge_keys`` lets ``<<`` take over the keys of other mappings.

    ``binary`` lets ``!!binary`` stand for bytes, which are kept as Python's ``surrogateescape`` keeps them.
    """

    file_bytes_max: int = FILE_BYTES_MAX
    depth_max: int = DEPTH_MAX
    nodes_max: int = NODES_MAX
    aliases_max: int = ALIASES_MAX
    merge_keys: bool = False
    binary: bool = False


def read_tree(data: bytes, file: str, limits: Limits = Limits()) -> tuple[Node, list[Problem]]:
    """Return the one document of a YAML file with its mistakes of form.

    Raises ``Rejected`` where the mistakes leave no tree to read on.
    """
    text = _text(data, file, limits)
    builder = _Builder(file, text.split("\n"), limits)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        sentence = f"this is not YAML: {wrong.problem or wrong.context}"
        raise Rejected((*builder.problems, Problem(place, sentence, "mend the line"))) from None
    except yaml.YAMLError as wrong:
        sentence = f"this is not YAML: {str(wrong).splitlines()[0]}"
        raise Rejected((Problem(Place(file), sentence, "remove the character"),)) from None
    if builder.root is None:
        raise Rejected((Problem(Place(file), "the file is empty", "write at least one key, or delete it"),))
    return builder.root, builder.problems


def _text(data: bytes, file: str, limits: Limits) -> str:
    """Decode the file; refuse what no editor meant to write."""
    if len(data) > limits.file_bytes_max:
        cure = f"keep it within {limits.file_bytes_max} bytes"
        raise Rejected((Problem(Place(file), f"the file has {len(data)} bytes", cure),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        sentence = f"byte {wrong.start} is not UTF-8"
        raise Rejected((Problem(Place(file, line), sentence, "save the file as UTF-8"),)) from None
    for number, line_text in enumerate(text.split("\n"), 1):
        column = next((i for i, c in enumerate(line_text, 1) if c < " " and c not in "\t\r"), 0)
        if column:
            sentence = f"the control character U+{ord(line_text[column - 1]):04X} stands here"
            raise Rejected((Problem(Place(file, number, column), sentence, "remove it"),))
    return text


@dataclass(slots=True)
class _Open:
    """A collection whose end was not yet seen."""

    event: Any
    place: Place
    items: list[Node]


class _Builder:
    """Builds the tree event by event, without recursion."""

    def __init__(self, file: str, lines: list[str], limits: Limits) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._lines = lines
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._sizes: dict[str, int] = {}
        self._nodes = 0
        self._aliases = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event; a limit that is passed ends the reading at once."""
        place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(place, "a second document starts here", "keep one document in a file")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, place)
        elif isinstance(event, _STARTS):
            self._tagless(event, place)
            self._count(place, 1)
            if len(self._open) >= self._limits.depth_max:
                self._stop(place, "the nesting is too deep", f"nest at most {self._limits.depth_max} levels")
            self._open.append(_Open(event, place, []))
        elif isinstance(event, yaml.ScalarEvent):
            self._tagless(event, place)
            self._count(place, 1)
            self._add(self._scalar(event, place), event.anchor)
        elif isinstance(event, _ENDS):
            done = self._open.pop()
            self._add(self._closed(done), done.event.anchor)

    def _scalar(self, event: Any, place: Place) -> Scalar:
        if event.tag == _BINARY and self._limits.binary:
            return Scalar(self._bytes(event.value, place), plain=False, place=place)
        if event.style not in ("|", ">"):
            return Scalar(event.value, plain=not event.style, place=place)
        source = self._lines[event.start_mark.line + 1 : event.end_mark.line + 1]
        return Scalar(event.value, plain=False, place=place, source=tuple(source) or ("",))

    def _bytes(self, text: str, place: Place) -> str:
        try:
            data = binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except ValueError:
            self.problems.append(Problem(place, "this is not base64", "mend it, or write the text itself"))
            return ""
        return data.decode("utf-8", "surrogateescape")

    def _closed(self, done: _Open) -> Node:
        if isinstance(done.event, yaml.SequenceStartEvent):
            return Sequence(tuple(done.items), done.place)
        pairs: list[tuple[Scalar, Node]] = []
        merged: list[tuple[Scalar, Node]] = []
        lines: dict[str, int] = {}
        for key, node in _pairs(done.items):
            if not isinstance(key, Scalar):
                self.problems.append(Problem(key.place, "a key must be a text", "write the key as a word"))
            elif key.text in lines:
                sentence = f"the key {key.text!r} is given twice, first in line {lines[key.text]}"
                self.problems.append(Problem(key.place, sentence, "keep one of them"))
            elif key.text == "<<" and key.plain:
                merged += self._merged(key, node)
            else:
                lines[key.text] = key.place.line
                pairs.append((key, node))
        for key, node in merged:
            if key.text not in lines:
                lines[key.text] = key.place.line
                pairs.append((key, node))
        return Mapping(tuple(pairs), done.place)

    def _merged(self, key: Scalar, node: Node) -> tuple[tuple[Scalar, Node], ...]:
        """Return the pairs that a merge key brings; what stands in the mapping itself, or earlier, wins."""
        each = node.items if isinstance(node, Sequence) else (node,)
        if not self._limits.merge_keys:
            self.problems.append(Problem(key.place, "merge keys are not supported", "write the keys out"))
            return ()
        if not all(isinstance(one, Mapping) for one in each):
            cure = "write <<: *name, or a list of such names"
            self.problems.append(Problem(key.place, "only mappings can be merged", cure))
            return ()
        pairs = tuple(pair for one in each if isinstance(one, Mapping) for pair in one.pairs)
        self._count(key.place, 2 * len(pairs))
        return pairs

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
            self._sizes[anchor] = size(node)
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node

    def _alias(self, event: Any, place: Place) -> None:
        self._aliases += 1
        if self._aliases > self._limits.aliases_max:
            self._stop(place, "there are too many aliases", f"use at most {self._limits.aliases_max}")
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(
                place, f"the alias *{event.anchor} has no finished anchor before it", "write the value out"
            )
        else:
            self._count(place, self._sizes[event.anchor])
            self._add(node, None)

    def _count(self, place: Place, more: int) -> None:
        self._nodes += more
        if self._nodes > self._limits.nodes_max:
            cure = f"keep it within {self._limits.nodes_max} values, aliases counted as what they stand for"
            self._stop(place, "the file holds too many values", cure)

    def _tagless(self, event: Any, place: Place) -> None:
        if event.tag == _BINARY and self._limits.binary and isinstance(event, yaml.ScalarEvent):
            return
        if event.tag is not None and event.tag != "!":
            self.problems.append(Problem(place, f"the tag {event.tag!r} is not supported", "remove the tag"))

    def _stop(self, place: Place, sentence: str, cure: str) -> None:
        raise Rejected((*self.problems, Problem(place, sentence, cure)))


def _pairs(items: list[Node]) -> Iterator[tuple[Node, Node]]:
    return ((key, node) for index, (key, node) in enumerate(pairwise(items)) if index % 2 == 0)


def size(node: Node) -> int:
    """Count the nodes of a tree."""
    count, left = 0, [node]
    while left:
        node = left.pop()
        count += 1
        if isinstance(node, Sequence):
            left += node.items
        elif isinstance(node, Mapping):
            left += (value for _, value in node.pairs)
            count += len(node.pairs)
    return count
