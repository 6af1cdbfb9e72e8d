"""Places in JSON documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from probes.check.json_path import JsonPath

DOCUMENT = json.loads('{"a": {"b": [1, {"c d": 2}, [3]]}, "x-y": true, "": 4, "n": null}')


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b[0]", 1),
        ("a.b[0]", 1),
        ("$.a.b[1]['c d']", 2),
        ('$["a"]["b"][-1][0]', 3),
        ("$.x-y", True),
        ("$['']", 4),
        ("$.n", None),
        ("$.a.b[3]", None),
        ("$.a.b[-4]", None),
        ("$.a.nothing.more", None),
        ("$.a.b.c", None),
        ("$.a[0]", None),
        ("$", DOCUMENT),
    ],
)
def test_a_path_leads_to_its_value_or_nowhere(path: str, value: object) -> None:
    assert JsonPath.parse(path).value(DOCUMENT) == value


@pytest.mark.parametrize(
    "path", ["$.", "$..a", "$.a[", "$.a[*]", "$.a[0", "$a.b.", "a b", "$[1.5]", "$.a" * 33]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(Misfit, match="is not a JSON path"):
        JsonPath.parse(path)


@given(st.text("$.[]'\"abc019-", max_size=40))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        JsonPath.parse(text).value(DOCUMENT)
    except Misfit:
        return
