"""A customer's name is found in a text by its words exactly where a search for every name finds it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desk.catalogue.names import Names
from desk.notice.lint import flaws

_LETTERS = "aAbß.- _1sSKkiI\u017f\u212a\u0131\u0130\u00b5\u03bc\u0345\u03b9\u01c5"
NAMES = st.lists(st.text(_LETTERS, min_size=1, max_size=6), max_size=8)
TEXT = st.text(_LETTERS, max_size=30)


@given(NAMES, TEXT)
def test_the_verdict_is_that_of_a_search_for_every_name(names: list[str], text: str) -> None:
    assert flaws(text, "en", Names.of(names).near(text)) == flaws(text, "en", names)


@given(NAMES, TEXT, st.data())
def test_a_name_that_stands_in_a_text_is_near_it(names: list[str], text: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*names, "Acme Inc."]))
    written = f"{text} {name.swapcase()}, {text}"
    known = Names.of([*names, "Acme Inc."])
    assert flaws(written, "en", known.near(written)) == flaws(written, "en", [*names, "Acme Inc."])


def test_few_names_are_near_a_text_however_many_there_are() -> None:
    known = Names.of(f"Customer {number}" for number in range(10_000))
    assert list(known.near("The customer 17 cannot pay.")) == ["Customer 17"]
    assert list(known.near("A customer cannot pay.")) == []
