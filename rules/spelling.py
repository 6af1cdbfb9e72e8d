"""Expressions written out again from their trees, so that a part of one can be shown and evaluated alone."""

from __future__ import annotations

import json
import math
import re
from typing import Final

from model.duration import Duration
from rules.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Parenthesis,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    bare,
)
from rules.store.store import Selector

_PLAIN: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def spelled(node: Node) -> str:  # noqa: PLR0911, C901  # one answer for each kind of node
    """Return an expression as PromQL; operators inside operators stand in parentheses."""
    match node:
        case Number():
            return _number(node.value)
        case Text():
            return json.dumps(node.value, ensure_ascii=False)
        case VectorSelector():
            return selector_text(node.selector) + _shift(node.shift)
        case MatrixSelector():
            return f"{selector_text(node.selector)}[{Duration(node.range_ms)}]{_shift(node.shift)}"
        case Subquery():
            step = Duration(node.step_ms) if node.step_ms else ""
            return f"{_operand(node.inner)}[{Duration(node.range_ms)}:{step}]{_shift(node.shift)}"
        case Call():
            return f"{node.function}({', '.join(spelled(bare(each)) for each in node.arguments)})"
        case Aggregation():
            return _aggregation(node)
        case Unary():
            return f"{node.operator}{_operand(node.inner)}"
        case Parenthesis():
            return f"({spelled(bare(node))})"
        case Binary():
            return f"{_operand(node.left)} {_operator(node)} {_operand(node.right)}"


def selector_text(selector: Selector) -> str:
    """Return a selector as PromQL writes it; a name that is no plain word stands within the braces."""
    matchers = [str(matcher) for matcher in selector.matchers]
    if _PLAIN.fullmatch(selector.name) or not selector.name:
        return f"{selector.name}{{{', '.join(matchers)}}}" if matchers else selector.name
    return "{" + ", ".join([json.dumps(selector.name, ensure_ascii=False), *matchers]) + "}"


def _operand(node: Node) -> str:
    inner = bare(node)
    text = spelled(inner)
    return f"({text})" if isinstance(inner, Binary | Unary | Subquery) else text


def _aggregation(node: Aggregation) -> str:
    given = [node.inner] if node.parameter is None else [node.parameter, node.inner]
    inner = ", ".join(spelled(bare(each)) for each in given)
    grouping = node.grouping
    if not grouping.labels and not grouping.without:
        return f"{node.operator}({inner})"
    word = "without" if grouping.without else "by"
    return f"{node.operator} {word} ({', '.join(grouping.labels)}) ({inner})"


def _operator(node: Binary) -> str:
    words = [node.operator, *(["bool"] if node.as_bool else [])]
    matching = node.matching
    if matching is not None and (matching.on or matching.labels):
        words.append(f"{'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})")
    if matching is not None and matching.many is not None:
        words.append(f"group_{matching.many} ({', '.join(matching.include)})")
    return " ".join(words)


def _shift(shift: Shift) -> str:
    text = ""
    if isinstance(shift.anchor, str):
        text += f" @ {shift.anchor}()"
    elif shift.anchor is not None:
        text += f" @ {shift.anchor / 1000:.3f}"
    if shift.offset_ms:
        sign = "-" if shift.offset_ms < 0 else ""
        text += f" offset {sign}{Duration(abs(shift.offset_ms))}"
    return text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
