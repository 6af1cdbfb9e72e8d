from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.matcher import Matcher
from model.misfit import Misfit
from rules.promql.check import check
from rules.promql.parser import AGGREGATIONS, LEVELS, parse
from rules.promql.syntax import (
    Aggregation,
    Anchor,
    Binary,
    Call,
    Grouping,
    Matching,
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
    children,
)
from rules.store.store import Selector

NAMES = st.sampled_from(("up", "node_load1", "job:rate:sum", "sum", "by"))
LABELS = st.sampled_from(("job", "instance", "on", "le"))
DURATIONS_MS = st.sampled_from((1, 1000, 90_000, 300_000, 3_600_000, 90_061_001))
ANCHORS: st.SearchStrategy[Anchor | None] = st.sampled_from((None, "start", "end", 0, 1500, -60_000))
SHIFTS = st.builds(Shift, st.sampled_from((0, 60_000, -300_000)), ANCHORS)
MATCHERS = st.builds(
    Matcher, LABELS, st.sampled_from(("=", "!=", "=~", "!~")), st.sampled_from(("", "a", 'q"\\\n', "ä|b"))
)
SELECTORS = st.builds(Selector, NAMES, st.lists(MATCHERS, max_size=2).map(tuple))
GROUPINGS = st.builds(Grouping, st.lists(LABELS, max_size=2).map(tuple), st.booleans())
SIDES = st.sampled_from((None, "left", "right"))


def _matched(on: bool, labels: tuple[str, ...], many: str | None, include: tuple[str, ...]) -> Matching:
    side = {"left": "left", "right": "right"}.get(many or "")
    allowed = tuple(label for label in include if not (on and label in labels)) if side else ()
    return Matching(on, labels, side, allowed)  # type: ignore[arg-type]  # one of the two words


MATCHINGS = st.none() | st.builds(
    _matched,
    st.booleans(),
    st.lists(LABELS, max_size=2, unique=True).map(tuple),
    SIDES,
    st.lists(LABELS, max_size=1).map(tuple),
)


def _binary(operator: str, left: Node, right: Node, as_bool: bool, matching: Matching | None) -> Node:
    compares = operator in ("==", "!=", "<", "<=", ">", ">=")
    if operator in ("and", "or", "unless") and matching is not None and matching.many:
        matching = Matching(matching.on, matching.labels)
    return Binary(operator, left, right, as_bool and compares, matching)


def _extended(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(_binary, st.sampled_from(sorted(LEVELS)), inner, inner, st.booleans(), MATCHINGS),
        st.builds(Unary, st.sampled_from(("+", "-")), inner),
        st.builds(Call, st.sampled_from(("rate", "abs", "unknown")), st.lists(inner, max_size=3).map(tuple)),
        st.builds(
            lambda operator, inner, grouping: Aggregation(
                operator, inner, Number(3) if operator in ("topk", "bottomk", "quantile") else None, grouping
            ),
            st.sampled_from(sorted(AGGREGATIONS - {"count_values"})),
            inner,
            GROUPINGS,
        ),
        st.builds(
            lambda i, r, s, sh: Subquery(Parenthesis(i), r, s, sh),
            inner,
            DURATIONS_MS,
            st.none() | DURATIONS_MS,
            SHIFTS,
        ),
    )


TREES: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        st.builds(Number, st.sampled_from((0.0, 1.5, 300.0, 1e21, float("inf")))),
        st.builds(Text, st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
        st.builds(VectorSelector, SELECTORS, SHIFTS),
        st.builds(MatrixSelector, SELECTORS, DURATIONS_MS, SHIFTS),
    ),
    _extended,
    max_leaves=12,
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def written_shift(shift: Shift) -> str:
    anchor = shift.anchor
    at = "" if anchor is None else f" @ {anchor / 1000}" if isinstance(anchor, int) else f" @ {anchor}()"
    return at + (f" offset {shift.offset_ms}ms".replace("offset -", "offset -") if shift.offset_ms else "")


def written_selector(selector: Selector) -> str:
    return (
        selector.name
        + "{"
        + ",".join(f"{m.label}{m.operator}{quoted(m.value)}" for m in selector.matchers)
        + "}"
    )


def written_binary(node: Binary) -> str:
    words = [node.operator]
    if node.as_bool:
        words.append("bool")
    if node.matching is not None:
        words.append(f"{'on' if node.matching.on else 'ignoring'}({', '.join(node.matching.labels)})")
        if node.matching.many:
            words.append(f"group_{node.matching.many}({', '.join(node.matching.include)})")
    return f"({written(node.left)}) {' '.join(words)} ({written(node.right)})"


def written(node: Node) -> str:
    """Write a tree as an expression, every operand in parentheses."""
    match node:
        case Number():
            return repr(node.value)
        case Text():
            return quoted(node.value)
        case VectorSelector():
            return written_selector(node.selector) + written_shift(node.shift)
        case MatrixSelector():
            return f"{written_selector(node.selector)}[{node.range_ms}ms]{written_shift(node.shift)}"
        case Subquery():
            step = "" if node.step_ms is None else f"{node.step_ms}ms"
            return f"{written(node.inner)}[{node.range_ms}ms:{step}]{written_shift(node.shift)}"
        case Call():
            return f"{node.function}({', '.join(map(written, node.arguments))})"
        case Aggregation():
            parameter = "" if node.parameter is None else f"{written(node.parameter)}, "
            words = f"{'without' if node.grouping.without else 'by'} ({', '.join(node.grouping.labels)})"
            return f"{node.operator} {words} ({parameter}{written(node.inner)})"
        case Binary():
            return written_binary(node)
        case Unary():
            return f"{node.operator}({written(node.inner)})"
        case Parenthesis():
            return f"({written(node.inner)})"


def shape(node: Node) -> object:
    """Return what a tree means, without the parentheses that only writing it needed."""
    node = bare(node)
    inner = tuple(shape(child) for child in children(node))
    match node:
        case VectorSelector():
            return ("vector", node.selector.name, node.selector.matchers, node.shift)
        case MatrixSelector():
            return ("matrix", node.selector.name, node.selector.matchers, node.range_ms, node.shift)
        case Subquery():
            return ("subquery", node.range_ms, node.step_ms, node.shift, inner)
        case Call():
            return ("call", node.function, inner)
        case Aggregation():
            return (node.operator, node.grouping, inner)
        case Binary():
            return (node.operator, node.as_bool, node.matching, inner)
        case Unary():
            return (node.operator, inner)
        case _:
            return node


@given(TREES)
def test_a_tree_written_out_is_read_back(tree: Node) -> None:
    assert shape(parse(written(tree))) == shape(tree)


@given(
    st.text(st.sampled_from(list("ab1(){}[]<>=!~+-*/%^@:,.\"'`\\ \n#5mxup")) | st.characters(), max_size=60)
)
def test_no_text_breaks_the_parser(text: str) -> None:
    place = 0
    try:
        check(parse(text))
    except Misfit as wrong:
        place = wrong.offset
    assert 0 <= place <= len(text)
