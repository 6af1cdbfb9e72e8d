"""From tokens to the syntax tree, by precedence climbing.

The grammar is that of Prometheus 3 without its experimental parts, which are refused by name.
"""

from __future__ import annotations

from typing import Final, Literal

from model.misfit import Misfit
from rules.promql.cursor import Cursor, number
from rules.promql.dialect import PROMETHEUS, Dialect
from rules.promql.lexer import tokens
from rules.promql.parse_selector import selector, with_postfixes
from rules.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Grouping,
    Matching,
    Node,
    Number,
    Parenthesis,
    Text,
    Unary,
    height,
)

DEPTH_MAX: Final = 64
"""How deep expressions may nest."""
HEIGHT_MAX: Final = 150
"""How many levels the tree may have, counting each operator of a chain."""

LEVELS: Final = {
    **dict.fromkeys(("or",), 1),
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    **dict.fromkeys(("^",), 6),
}
"""How tightly each binary operator binds; only ``^`` groups to the right."""

COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
SET_OPERATORS: Final = frozenset(("and", "or", "unless"))
EXPERIMENTAL: Final = frozenset(("limitk", "limit_ratio"))
PARAMETERISED: Final = EXPERIMENTAL.union(("topk", "bottomk", "quantile", "count_values"))
AGGREGATIONS: Final = (PARAMETERISED - EXPERIMENTAL).union(
    ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"),
)
# Words of the grammar that cannot name a metric; all others can where an expression is expected.
_NOT_NAMES: Final = frozenset(("on", "ignoring", "group_left", "group_right", "bool", "atan2"))


def parse(text: str, dialect: Dialect = PROMETHEUS) -> Node:
    """Return the tree of an expression, or raise ``Misfit`` at the first place that does not fit."""
    cursor = Cursor(tokens(text), experimental=dialect.experimental)
    tree = _Parser(cursor).expression()
    if cursor.token.kind != "end":
        cursor.unexpected("an operator or the end of the expression")
    if height(tree) > HEIGHT_MAX:
        cure = f"record parts of it; at most {HEIGHT_MAX} levels"
        raise Misfit("the expression has too many operators in a chain", cure)
    return tree


class _Parser:
    """Reads expressions and counts how deep they nest."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._depth = 0

    def expression(self, level_min: int = 1) -> Node:
        """Read operands and the operators between them that bind at least this tightly."""
        cursor = self._cursor
        left = self._operand()
        while True:
            token = cursor.token
            operator = token.text.lower() if token.kind in ("operator", "word") else ""
            level = LEVELS.get(operator, 0)
            if level < level_min:
                return left
            cursor.take()
            as_bool = self._modifier_bool(operator)
            matching = self._matching(operator)
            # Only ^ nests to the right, so only its chains can recurse without end.
            self._enter(operator == "^")
            right = self.expression(level if operator == "^" else level + 1)
            self._depth -= operator == "^"
            left = Binary(operator, left, right, as_bool, matching, left.at)

    def _enter(self, levels: int) -> None:
        self._depth += levels
        if self._depth > DEPTH_MAX:
            cure = f"nest at most {DEPTH_MAX} levels"
            raise Misfit("the expression nests too deep", cure, offset=self._cursor.token.at)

    def _operand(self) -> Node:
        cursor, at = self._cursor, self._cursor.token.at
        self._enter(1)
        node: Node
        if cursor.sees("+", "-"):
            sign: Literal["+", "-"] = "-" if cursor.take().text == "-" else "+"
            node = Unary(sign, self.expression(LEVELS["^"]), at)
        else:
            node = with_postfixes(cursor, self._primary())
        self._depth -= 1
        return node

    def _primary(self) -> Node:
        cursor, token = self._cursor, self._cursor.token
        if token.kind in ("number", "duration"):
            return Number(number(cursor.take()), token.at)
        if token.kind == "string":
            return Text(cursor.take().text, token.at)
        if token.kind == "word" and cursor.word not in _NOT_NAMES:
            return self._named()
        if cursor.sees("{"):
            return selector(cursor, "", token.at)
        if not cursor.sees("("):
            cursor.unexpected("an expression")
        cursor.take()
        inner = self.expression()
        cursor.expect(")")
        return Parenthesis(inner, token.at)

    def _named(self) -> Node:
        """Read what starts with a word: a number, an aggregation, a call or a selector."""
        cursor = self._cursor
        token, word, after = cursor.token, cursor.word, cursor.after
        if word in ("inf", "nan"):
            cursor.take()
            return Number(float(word), token.at)
        opens = after.kind == "operator" and after.text == "("
        aggregates = opens or (after.kind == "word" and after.text.lower() in ("by", "without"))
        if aggregates and (word in AGGREGATIONS or (word in EXPERIMENTAL and cursor.experimental)):
            return self._aggregation()
        if aggregates and word in EXPERIMENTAL:
            raise Misfit(f"{word} is experimental and not supported", "use topk or bottomk", offset=token.at)
        cursor.take()
        if opens:
            return Call(token.text, self._arguments(), token.at)
        return selector(cursor, token.text, token.at)

    def _arguments(self) -> tuple[Node, ...]:
        cursor = self._cursor
        cursor.expect("(")
        arguments: list[Node] = []
        while not cursor.sees(")"):
            arguments.append(self.expression())
            if not cursor.sees(","):
                break
            comma = cursor.take()
            if cursor.sees(")"):
                raise Misfit("a comma ends the arguments", "remove it", offset=comma.at)
        cursor.expect(")")
        return tuple(arguments)

    def _aggregation(self) -> Node:
        token = self._cursor.take()
        operator = token.text.lower()
        grouping = self._grouping()
        arguments = self._arguments()
        if grouping is None:
            grouping = self._grouping()
        wanted = 2 if operator in PARAMETERISED else 1
        if len(arguments) != wanted:
            example = f"{operator}({'parameter, ' if wanted == 2 else ''}vector)"
            sentence = f"{operator} takes {wanted} argument{'s' * (wanted - 1)}, got {len(arguments)}"
            raise Misfit(sentence, f"write {example}", offset=token.at)
        parameter = arguments[0] if wanted == 2 else None
        return Aggregation(operator, arguments[-1], parameter, grouping or Grouping(), token.at)

    def _grouping(self) -> Grouping | None:
        word = self._cursor.word
        if word not in ("by", "without"):
            return None
        self._cursor.take()
        return Grouping(self._cursor.label_list(), word == "without")

    def _modifier_bool(self, operator: str) -> bool:
        if self._cursor.word != "bool":
            return False
        token = self._cursor.take()
        if operator not in COMPARISONS:
            raise Misfit(f"{operator} takes no bool", "bool stands behind a comparison only", offset=token.at)
        return True

    def _matching(self, operator: str) -> Matching | None:
        """Read ``on`` or ``ignoring`` and the group modifier behind it."""
        cursor = self._cursor
        word, place = cursor.word, cursor.token.at
        if word in ("group_left", "group_right"):
            raise Misfit(f"{word} stands without on or ignoring", "write on(...) before it", offset=place)
        if word not in ("on", "ignoring"):
            return None
        cursor.take()
        labels = cursor.label_list()
        group, place = cursor.word, cursor.token.at
        if group not in ("group_left", "group_right"):
            return Matching(word == "on", labels)
        if operator in SET_OPERATORS:
            raise Misfit(f"{operator} takes no {group}", "it compares sets of series", offset=place)
        cursor.take()
        include = cursor.label_list() if cursor.sees("(") else ()
        for label in include:
            if word == "on" and label in labels:
                sentence = f"the label {label!r} is in on() and in {group}()"
                raise Misfit(sentence, "keep it in on() only", offset=place)
        return Matching(word == "on", labels, "left" if group == "group_left" else "right", include)
