from __future__ import annotations

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.labels import EMPTY, Labels, _interned

PAIRS = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=5)


@given(PAIRS)
def test_equal_sets_are_one_object(pairs: dict[str, str]) -> None:
    backwards = dict(reversed(list(pairs.items())))
    assert Labels.of(pairs) is Labels.of(backwards)


def test_threads_that_make_the_same_set_get_the_same_object() -> None:
    for round_number in range(50):
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda _, n=round_number: Labels.of(a=str(n), b="x"), range(16)))
        assert len({id(labels) for labels in made}) == 1


def test_an_empty_value_means_that_the_label_is_absent() -> None:
    assert Labels.of(a="", b="x") is Labels.of(b="x")
    assert Labels.of(a="") is EMPTY
    assert Labels.of(b="x").get("a") == ""


def test_sets_that_nobody_holds_leave_the_memory() -> None:
    name = "a-name-that-nothing-else-uses"
    Labels.of({name: "x"})
    gc.collect()
    assert not any(name in dict(pairs) for pairs in _interned)


@pytest.mark.parametrize(
    ("pairs", "fingerprint"),
    [
        ({"alertname": "X", "instance": "h1", "severity": "page"}, "ad45a4c6c7013c12"),
        ({"alertname": "Z"}, "d2a6efc389c2a598"),
    ],
)
def test_the_fingerprint_is_that_of_a_live_alertmanager(pairs: dict[str, str], fingerprint: str) -> None:
    assert Labels.of(pairs).fingerprint() == fingerprint


def test_a_set_reads_like_a_series_and_escapes_its_values() -> None:
    assert str(Labels.of(__name__="up", job='a"b\n')) == 'up{job="a\\"b\\n"}'
    assert str(Labels.of(__name__="up")) == "up"
    assert str(EMPTY) == "{}"


def test_parts_and_unions_of_sets() -> None:
    labels = Labels.of(__name__="up", a="1", b="2")
    assert labels.nameless() is Labels.of(a="1", b="2")
    assert labels.without(("a",)) is Labels.of(__name__="up", b="2")
    assert labels.only(("a", "z")) is Labels.of(a="1")
    assert labels.having({"a": "", "c": "3"}) is Labels.of(__name__="up", b="2", c="3")


def test_a_set_survives_pickling_as_the_same_object() -> None:
    labels = Labels.of(a="1")
    assert pickle.loads(pickle.dumps(labels)) is labels
