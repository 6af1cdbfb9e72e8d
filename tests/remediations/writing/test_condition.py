"""Conditions mean what Ansible's mean, are told wrong at the character, and reach only the given values."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from remediations.writing.condition import Condition
from remediations.writing.condition_words import Unsound, Value

RESULT: dict[str, Value] = {
    "rc": 0,
    "stdout": "nginx: ok\nready",
    "stdout_lines": ["nginx: ok", "ready"],
    "changed": True,
    "failed": False,
    "skipped": False,
}
VALUES: dict[str, Value] = {
    "result": RESULT,
    "labels": {"instance": "web1", "region": "eu"},
    "facts": {"cpus": 4, "load": 0.5},
    "alert": {"value": 12.5},
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("result.rc == 0", True),
        ("result.rc != 0 or 'ready' in result.stdout", True),
        ("result.rc == 0 and not result.changed", False),
        ("result is changed", True),
        ("result is not failed", True),
        ("result is succeeded and result is not skipped", True),
        ("labels.instance == 'web1'", True),
        ("labels['region'] in ['eu', 'us']", True),
        ("labels.zone is defined", False),
        ("labels.zone is not defined", True),
        ("labels.zone | default('eu') == 'eu'", True),
        ("result.stdout is search('^nginx')", True),
        ("labels.instance is match('web')", True),
        ("labels.instance is match('eb')", False),
        ("result.stdout_lines | length > 1", True),
        ("result.stdout_lines[-1] == 'ready'", True),
        ("result.stdout_lines.0 | upper == 'NGINX: OK'", True),
        ("'12' | int >= 12", True),
        ("facts.load < facts.cpus", True),
        ("(alert.value > 10) and (alert.value <= 12.5)", True),
        ("not (1 == 2)", True),
        ("true", True),
        ("1 == true", False),
        ("'a' not in 'b'", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, answer: bool) -> None:
    assert Condition.parse(text).holds(VALUES) is answer


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("labels.zone == 'eu'", "labels.zone is not defined"),
        ("nobody", "nobody is not defined"),
        ("labels.instance", "'web1' is neither true nor false"),
        ("labels.instance > 3", "'web1' and 3 have no order"),
        ("1 in 2", "nothing can be in 2"),
        ("labels.instance | int == 1", "'web1' is no number"),
        ("labels is failed", "is no result of a step"),
        ("result.rc is search('a')", "0 is no text"),
        ("[] | first == 1", "has no first"),
    ],
)
def test_what_cannot_be_answered_is_an_error_and_never_false(text: str, sentence: str) -> None:
    with pytest.raises(Unsound, match=sentence):
        Condition.parse(text).holds(VALUES)


@pytest.mark.parametrize(
    ("text", "offset", "sentence"),
    [
        ("", 0, "a value is missing"),
        ("a ==", 4, "a value is missing"),
        ("a = b", 2, "'=' has no meaning"),
        ("a b", 2, "'b' is not expected"),
        ("a is odd", 5, "there is no test 'odd'"),
        ("a | map('x')", 4, "there is no filter 'map'"),
        ("a is match(b)", 11, "a pattern is a text"),
        ("f(1)", 1, "'(' is not expected"),
        ("a ~ b", 2, "'~' has no meaning"),
        ("{{ a }}", 0, "'{' has no meaning"),
        ("(" * 60 + "1", 33, "nested deeper"),
        ("a" * 2000, None, "too long"),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, offset: int | None, sentence: str) -> None:
    with pytest.raises(Misfit) as wrong:
        Condition.parse(text)
    assert sentence in wrong.value.sentence
    if offset is not None:
        assert wrong.value.offset == offset


@pytest.mark.parametrize(
    "text",
    [
        "labels.__class__ is defined",
        "labels['__init__'] is defined",
        "labels.instance.__class__ is defined",
        "result.stdout_lines.append is defined",
        "facts.cpus.real is defined",
    ],
)
def test_nothing_but_the_given_values_can_be_reached(text: str) -> None:
    assert Condition.parse(text).holds(VALUES) is False


def test_a_condition_says_which_values_it_starts_from() -> None:
    found = Condition.parse("result.rc == 0 and labels.zone in names")
    assert dict(found.names) == {"result": 0, "labels": 19, "names": 34}


scalars = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(["'a'", "'ab'", "labels.instance", "facts.cpus", "result.rc"]),
)
comparisons = st.builds(
    "{} {} {}".format, scalars, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), scalars
)
expressions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("not {}".format, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=6,
)


@given(expressions)
def test_whatever_is_answered_is_answered_as_jinja_does(text: str) -> None:
    try:
        ours = Condition.parse(text).value(VALUES)
    except Unsound:
        return
    wanted: Any = jinja2.Environment(autoescape=True).compile_expression(text)(**VALUES)
    assert ours == wanted


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = Condition.parse(text)
    except Misfit:
        return
    try:
        found.value(VALUES)
    except Unsound:
        return
