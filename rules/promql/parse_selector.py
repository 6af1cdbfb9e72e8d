"""Selectors: a metric name, matchers in braces, and the range, offset and ``@`` behind them."""

from __future__ import annotations

from typing import Final

from model.labels import NAME
from model.matcher import Matcher, Operator
from model.misfit import Misfit
from rules.promql.computed import computed_ms
from rules.promql.cursor import TIME_MS_MAX, Cursor, milliseconds, number
from rules.promql.syntax import Anchor, MatrixSelector, Node, Shift, Subquery, VectorSelector
from rules.store.store import Selector

_OPERATORS: Final[dict[str, Operator]] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}


def selector(cursor: Cursor, name: str, at: int) -> VectorSelector:
    """Read the matchers of a selector whose name, if it has one before the braces, was taken already."""
    matchers: list[Matcher] = []
    if cursor.sees("{"):
        cursor.take()
        while not cursor.sees("}"):
            name = _matcher(cursor, name, matchers)
            if not cursor.sees(","):
                break
            cursor.take()
        cursor.expect("}")
    named = [matcher for matcher in matchers if matcher.label == NAME]
    if name and named:
        raise Misfit("the metric name is given twice", "keep one of them", offset=at)
    if not name and all(matcher.matches({}) for matcher in matchers):
        cure = 'name a metric, or add a matcher like job="x" that does not match the empty text'
        raise Misfit("the selector would match every series", cure, offset=at)
    if len(named) == 1 and named[0].operator == "=":
        name = named[0].value
        matchers.remove(named[0])
    return VectorSelector(Selector(name, tuple(matchers)), at=at)


def _matcher(cursor: Cursor, name: str, matchers: list[Matcher]) -> str:
    """Read one matcher, or a quoted metric name; return the metric name known by then."""
    label = cursor.token
    if label.kind not in ("word", "string") or (label.kind == "word" and ":" in label.text):
        cursor.unexpected("a label name")
    cursor.take()
    operator = _OPERATORS.get(cursor.token.text) if cursor.token.kind == "operator" else None
    if operator is None:
        if label.kind == "word" or not label.text:
            cursor.unexpected("one of = != =~ !~")
        if name:
            raise Misfit("the metric name is given twice", "keep one of them", offset=label.at)
        return label.text
    cursor.take()
    if cursor.token.kind != "string":
        cursor.unexpected("a quoted text")
    value = cursor.take()
    try:
        matchers.append(Matcher(label.text, operator, value.text))
    except Misfit as wrong:
        raise Misfit(wrong.sentence, wrong.cure, offset=value.at) from None
    return name


def with_postfixes(cursor: Cursor, node: Node) -> Node:
    """Read what may follow an operand: a range, ``offset`` and ``@``."""
    while True:
        if cursor.sees("["):
            node = _range(cursor, node)
        elif cursor.word == "offset":
            node = _offset(cursor, node)
        elif cursor.sees("@"):
            node = _anchored(cursor, node)
        else:
            break
    if cursor.word in ("anchored", "smoothed"):
        sentence = f"{cursor.word} is experimental and not supported"
        raise Misfit(sentence, "leave it out", offset=cursor.token.at)
    return node


def _range(cursor: Cursor, node: Node) -> Node:
    opening = cursor.take()
    range_ms = _length(cursor, "a duration like 5m")
    if cursor.sees(":"):
        cursor.take()
        step_ms = None if cursor.sees("]") else _length(cursor, "a duration, or ]")
        cursor.expect("]")
        return Subquery(node, range_ms, step_ms, at=node.at)
    cursor.expect("]")
    if not isinstance(node, VectorSelector):
        cure = "write a subquery: [5m:]"
        raise Misfit("a range stands behind a selector only", cure, offset=opening.at)
    if node.shift != Shift():
        raise Misfit("offset and @ stand behind the range", "write x[5m] offset 1m", offset=opening.at)
    return MatrixSelector(node.selector, range_ms, at=node.at)


def _length(cursor: Cursor, wanted: str) -> int:
    """Read a duration within brackets, in ms."""
    place = cursor.token.at
    if cursor.experimental:
        length_ms = computed_ms(cursor, in_parentheses=False)
    else:
        if cursor.sees("-", "+"):
            cursor.computed()
        length_ms = cursor.duration_ms(wanted)
        if cursor.sees("+", "-", "*", "/", "%", "^"):
            cursor.computed()
    if length_ms <= 0:
        raise Misfit("the duration here must be more than 0", "write one like 5m", offset=place)
    return length_ms


def _offset(cursor: Cursor, node: Node) -> Node:
    token = cursor.take()
    if not isinstance(node, VectorSelector | MatrixSelector | Subquery):
        cure = "put it behind the selector"
        raise Misfit("offset stands behind a selector or a subquery only", cure, offset=token.at)
    if node.shift.offset_ms:
        raise Misfit("the offset is given twice", "keep one of them", offset=token.at)
    sign = cursor.sign()
    if cursor.experimental and cursor.sees("("):
        offset_ms = sign * computed_ms(cursor, in_parentheses=True)
    else:
        offset_ms = sign * cursor.duration_ms("a duration like 5m")
    return _shifted(node, Shift(offset_ms, node.shift.anchor))


def _anchored(cursor: Cursor, node: Node) -> Node:
    token = cursor.take()
    if not isinstance(node, VectorSelector | MatrixSelector | Subquery):
        cure = "put it behind the selector"
        raise Misfit("@ stands behind a selector or a subquery only", cure, offset=token.at)
    if node.shift.anchor is not None:
        raise Misfit("@ is given twice", "keep one of them", offset=token.at)
    return _shifted(node, Shift(node.shift.offset_ms, _anchor(cursor)))


def _anchor(cursor: Cursor) -> Anchor:
    word = cursor.word
    if word in ("start", "end"):
        cursor.take()
        cursor.expect("(")
        cursor.expect(")")
        return "start" if word == "start" else "end"
    sign = cursor.sign()
    if cursor.token.kind not in ("number", "duration"):
        cursor.unexpected("a time in seconds, start() or end()")
    token = cursor.take()
    return milliseconds(sign * number(token), token, TIME_MS_MAX)


def _shifted(node: VectorSelector | MatrixSelector | Subquery, shift: Shift) -> Node:
    match node:
        case VectorSelector():
            return VectorSelector(node.selector, shift, node.at)
        case MatrixSelector():
            return MatrixSelector(node.selector, node.range_ms, shift, node.at)
        case Subquery():
            return Subquery(node.inner, node.range_ms, node.step_ms, shift, node.at)
