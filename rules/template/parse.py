"""From the text of a template to its nodes: Go's text/template as Prometheus uses it.

Refused, with place and reason, is what could only print a mistake, so that no text is found broken in the
middle of an incident: parts that an alert does not have, unknown functions, names and templates.
"""

from __future__ import annotations

from typing import Final, cast
from typing import Literal as OneOf

from model.misfit import Misfit
from rules.template.lex import Action, pieces
from rules.template.operand import DEPTH_MAX, Scope, read_pipe
from rules.template.tree import Block, Body, Give, Insert, Leave, Node, Pipe, Show, Text

_BLOCKS: Final = ("if", "with", "range")
_Word = OneOf["if", "with", "range"]


def parse(text: str) -> Body:
    """Return a template, or raise ``Misfit`` with the offset of the mistake."""
    reader = _Reader(text)
    nodes = reader.nodes(None)
    for name, offset in reader.inserted:
        if name not in reader.named:
            cure = f'write {{{{ define "{name}" }}}} ... {{{{ end }}}} in the same text'
            raise Misfit(f"no template {name!r} is defined here", cure, offset=offset)
    return Body(nodes, reader.named)


class _Reader:
    """Reads pieces one after the other; blocks inside blocks by recursion of bounded depth."""

    def __init__(self, text: str) -> None:
        self.named: dict[str, tuple[Node, ...]] = {}
        self.inserted: list[tuple[str, int]] = []
        self._left = pieces(text)
        self._scope = Scope()
        self._depth = 0
        self._ranges = 0
        self._last: Action | None = None

    def nodes(self, opened: Action | None) -> tuple[Node, ...]:
        """Read up to the ``else`` or ``end`` of the block that was opened, or to the end of the text."""
        found: list[Node] = []
        for piece in self._left:
            if isinstance(piece, Text):
                found.append(piece)
            elif piece.word in ("else", "end"):
                if opened is None:
                    raise Misfit(f"this {piece.word} belongs to no if", "remove it", offset=piece.offset)
                self._last = piece
                return tuple(found)
            else:
                found += self._node(piece)
        if opened is not None:
            sentence = f"this {opened.word} has no end"
            raise Misfit(sentence, "close it with {{ end }}", offset=opened.offset)
        return tuple(found)

    def _node(self, action: Action) -> list[Node]:
        match action.word:
            case "if" | "with" | "range":
                return [self._block(action, action)]
            case "define":
                self._define(action)
                return []
            case "template":
                return [self._insert(action)]
            case "block":
                node = self._insert(action)
                self._define(Action(action.tokens[:2], action.offset))
                return [node]
            case "break" | "continue":
                return [self._leave(action)]
        pipe = read_pipe(action.tokens, action.offset, self._scope)
        return [Give(pipe) if pipe.names else Show(pipe.operand)]

    def _block(self, action: Action, opened: Action) -> Block:
        """Read ``if``, ``with`` or ``range``; ``else if`` is a block inside ``else`` without an end."""
        word = cast("_Word", action.word)
        self._deeper(action)
        known = list(self._scope.names)
        pipe = self._pipe(action, word)
        dot_is_root = self._scope.dot_is_root
        self._scope.dot_is_root = dot_is_root and word == "if"
        self._ranges += word == "range"
        then = self.nodes(opened)
        self._ranges -= word == "range"
        self._scope.dot_is_root = dot_is_root
        otherwise = self._otherwise(word, opened)
        self._scope.names = known
        self._depth -= 1
        return Block(word, pipe, then, otherwise)

    def _pipe(self, action: Action, word: _Word) -> Pipe:
        return read_pipe(
            action.tokens[1:], action.tokens[0].offset, self._scope, names_max=2 if word == "range" else 1
        )

    def _otherwise(self, word: _Word, opened: Action) -> tuple[Node, ...]:
        """Read what follows the first part of a block, up to and with its end."""
        last = self._last
        assert last is not None, "a block ends at an else or an end"
        if last.word == "end":
            return self._ended(last)
        rest = Action(last.tokens[1:], last.offset)
        if rest.word in _BLOCKS and rest.word == word != "range":
            return (self._block(rest, opened),)
        if rest.tokens:
            raise Misfit(
                f"{rest.tokens[0].text!r} may not follow else",
                "write {{ else }}",
                offset=rest.tokens[0].offset,
            )
        nodes = self.nodes(opened)
        again = self._last
        assert again is not None, "a block ends at an else or an end"
        if again.word == "else":
            raise Misfit(f"this else belongs to no {opened.word}", "remove it", offset=again.offset)
        self._ended(again)
        return nodes

    def _ended(self, end: Action) -> tuple[Node, ...]:
        if len(end.tokens) > 1:
            raise Misfit("nothing may follow end", "write {{ end }}", offset=end.tokens[1].offset)
        return ()

    def _define(self, action: Action) -> None:
        """Read a template of its own, which sees nothing but what it is handed."""
        name = _name(action)
        if len(action.tokens) > 2:
            raise Misfit("only a name follows define", "remove it", offset=action.tokens[2].offset)
        self._deeper(action)
        scope, ranges = self._scope, self._ranges
        self._scope, self._ranges = Scope(), 0
        self._scope.names, self._scope.root_is_alert = [], False
        self.named[name] = self.nodes(action)
        if self._last is not None and self._last.word == "else":
            sentence = f"this else belongs to no {action.word}"
            raise Misfit(sentence, "remove it", offset=self._last.offset)
        self._scope, self._ranges = scope, ranges
        self._depth -= 1

    def _insert(self, action: Action) -> Insert:
        name = _name(action)
        self.inserted.append((name, action.offset))
        rest = action.tokens[2:]
        return Insert(name, read_pipe(rest, action.offset, self._scope).operand if rest else None)

    def _leave(self, action: Action) -> Leave:
        if len(action.tokens) > 1 or not self._ranges:
            sentence = f"{action.word} stands outside a range, or something follows it"
            raise Misfit(sentence, "remove it", offset=action.offset)
        return Leave("break" if action.word == "break" else "continue")

    def _deeper(self, action: Action) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            cure = f"nest at most {DEPTH_MAX} levels"
            raise Misfit("the nesting is too deep", cure, offset=action.offset)


def _name(action: Action) -> str:
    if len(action.tokens) < 2 or action.tokens[1].kind not in ("string", "raw"):
        cure = f'write {action.word} "name"'
        raise Misfit(f"{action.word} needs a name in quotes", cure, offset=action.offset)
    return action.tokens[1].text[1:-1]
