"""Conditions of playbooks: Ansible's bare expressions over given values, parsed once, pure and bounded.

There is nothing to call and no attribute to reach: a name is looked up in the values that were given, a dot
or brackets in a mapping or a list. What is not there is an error unless ``is defined`` or ``default`` asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from model.misfit import Misfit
from model.regex import compiled
from remediations.writing.condition_words import FILTERS, ORDERS, TESTS, Missing, Value, known, truth

CHARACTERS_MAX: Final = 1024
DEPTH_MAX: Final = 32

Values = Mapping[str, Value]
Node = Callable[[Values], Value | Missing]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|[<>()\[\].,|-]))"
)
_ESCAPED: Final = re.compile(r"\\(.)")
_CONSTANTS: Final[dict[str, Value]] = {
    "true": True, "True": True, "false": False, "False": False, "none": None, "None": None,
}  # fmt: skip
_RESERVED: Final = frozenset({"and", "or", "not", "in", "is"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression; ``names`` are the values that it starts from, each with where it stands first."""

    text: str
    names: Mapping[str, int] = field(compare=False)
    _node: Node = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read an expression, or raise ``Misfit`` with the place of the mistake."""
        if len(text) > CHARACTERS_MAX:
            raise Misfit("the condition is too long", f"keep it within {CHARACTERS_MAX} characters")
        parser = _Parser(text, _tokens(text))
        node = parser.either(0)
        if parser.now.kind != "end":
            parser.refuse(f"{parser.now.text!r} is not expected here")
        return cls(text.strip(), parser.names, node)

    def value(self, values: Values) -> Value:
        """Return what the expression comes to, or raise ``Unsound``."""
        return known(self._node(values))

    def holds(self, values: Values) -> bool:
        """Tell whether it is true; a text is neither true nor false, as in Ansible since 2.19."""
        return truth(self._node(values))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            where = at + len(text[at:]) - len(text[at:].lstrip())
            cure = "a condition has names, texts in quotes, numbers, brackets and == != < <= > >= | . -"
            raise Misfit(f"{text[where]!r} has no meaning in a condition", cure, offset=where)
        kind = token.lastgroup or ""
        found.append(_Token(kind, token[kind], token.start(kind)))
        at = token.end()
    return [*found, _Token("end", "", end)]


@dataclass(slots=True)
class _Parser:
    """Reads tokens from the loosest binding to the tightest, as Python and Jinja bind."""

    text: str
    tokens: list[_Token]
    at: int = 0
    names: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def refuse(self, sentence: str, cure: str = "") -> NoReturn:
        cure = cure or "write it like result.rc == 0 and 'ready' in result.stdout"
        raise Misfit(sentence, cure, offset=self.now.offset)

    def take(self, *texts: str) -> str:
        """Step over the token if it is one of these signs or words, and return it."""
        token = self.now
        if token.kind in ("sign", "name") and token.text in texts:
            self.at += 1
            return token.text
        return ""

    def need(self, text: str) -> None:
        if not self.take(text):
            self.refuse(f"expected {text!r}, got {self.now.text or 'the end'!r}")

    def either(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            self.refuse(f"the condition is nested deeper than {DEPTH_MAX}", "take it apart")
        nodes = [self.all_of(depth)]
        while self.take("or"):
            nodes.append(self.all_of(depth))
        return nodes[0] if len(nodes) == 1 else lambda values: any(truth(node(values)) for node in nodes)

    def all_of(self, depth: int) -> Node:
        nodes = [self.negated(depth)]
        while self.take("and"):
            nodes.append(self.negated(depth))
        return nodes[0] if len(nodes) == 1 else lambda values: all(truth(node(values)) for node in nodes)

    def negated(self, depth: int) -> Node:
        negations = 0
        while self.take("not"):
            negations += 1
        node = self.compared(depth)
        if not negations:
            return node
        return lambda values: truth(node(values)) is (negations % 2 == 0)

    def compared(self, depth: int) -> Node:
        left = self.filtered(depth)
        if self.take("is"):
            return self.tested(left, depth)
        order = self.take(*ORDERS)
        if not order and self.take("not"):
            self.need("in")
            order = "not in"
        if not order:
            return left
        right, compare = self.filtered(depth), ORDERS[order]
        return lambda values: compare(known(left(values)), known(right(values)))

    def tested(self, left: Node, depth: int) -> Node:
        wanted = not self.take("not")
        name, offset = self.now.text, self.at
        test = TESTS.get(name)
        if self.now.kind != "name" or test is None:
            self.refuse(f"there is no test {name!r}", f"the tests are {', '.join(TESTS)}")
        self.at += 1
        argument = ""
        if name in ("match", "search"):
            argument = self.pattern(depth)
        assert self.at > offset, "the test's name was taken"
        return lambda values: test(left(values), argument) is wanted

    def pattern(self, depth: int) -> str:
        """Read the bracketed text of a match and compile it, so that a mistake is found now."""
        self.need("(")
        token = self.now
        found = known(self.primary(depth + 1)({})) if token.kind == "text" else None
        if not isinstance(found, str):
            self.refuse("a pattern is a text in quotes", "write it like match('^nginx')")
        compiled(found)
        self.need(")")
        return found

    def filtered(self, depth: int) -> Node:
        node = self.reached(depth)
        while self.take("|"):
            node = self.filter(node, depth)
        return node

    def filter(self, node: Node, depth: int) -> Node:
        name = self.now.text
        does = FILTERS.get(name)
        if self.now.kind != "name" or does is None:
            self.refuse(f"there is no filter {name!r}", f"the filters are {', '.join(FILTERS)}")
        self.at += 1
        fallback: Node | None = None
        if name == "default":
            self.need("(")
            fallback = self.either(depth + 1)
            self.need(")")
        if fallback is None:
            return lambda values: does(known(node(values)), None)
        other = fallback
        return lambda values: found if not isinstance(found := node(values), Missing) else other(values)

    def reached(self, depth: int) -> Node:
        began = self.now.offset
        node = self.primary(depth)
        while sign := self.take(".", "["):
            if sign == ".":
                if self.now.kind not in ("name", "number"):
                    self.refuse("a name follows a dot")
                key = _constant(self.now.text)
                self.at += 1
            else:
                key = self.either(depth + 1)
                self.need("]")
            node = _inside(node, key, self.text[began : self.now.offset].strip())
        return node

    def primary(self, depth: int) -> Node:
        token = self.now
        if self.take("("):
            node = self.either(depth + 1)
            self.need(")")
            return node
        if self.take("["):
            return self.listed(depth)
        negative = bool(self.take("-"))
        token = self.now
        self.at += 1
        if token.kind == "number":
            number = float(token.text) if "." in token.text else int(token.text)
            return _constant(-number if negative else number)
        if negative or token.kind in ("end", "sign") or token.text in _RESERVED:
            self.at -= 1
            self.refuse(f"a value is missing before {token.text or 'the end'!r}")
        if token.kind == "text":
            return _constant(_ESCAPED.sub(r"\1", token.text[1:-1]))
        if token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        self.names.setdefault(token.text, token.offset)
        return _named(token.text)

    def listed(self, depth: int) -> Node:
        nodes: list[Node] = []
        while not self.take("]"):
            if nodes:
                self.need(",")
            nodes.append(self.either(depth + 1))
        return lambda values: [known(node(values)) for node in nodes]


def _constant(value: Value) -> Node:
    return lambda _values: value


def _named(name: str) -> Node:
    return lambda values: values[name] if name in values else Missing(name)


def _inside(outer: Node, key: Node, words: str) -> Node:
    """Look into a mapping or a list; nothing else has an inside."""

    def look(values: Values) -> Value | Missing:
        found, wanted = outer(values), known(key(values))
        if isinstance(found, Mapping) and isinstance(wanted, str) and wanted in found:
            return found[wanted]
        if isinstance(found, Sequence) and not isinstance(found, str):
            index = int(wanted) if isinstance(wanted, str) and wanted.isdecimal() else wanted
            if isinstance(index, int) and -len(found) <= index < len(found):
                return found[index]
        return Missing(words)

    return look
