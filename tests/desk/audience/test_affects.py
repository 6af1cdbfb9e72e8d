"""A scope is what was written, or it is refused; it is never wider."""

from __future__ import annotations

import pytest

from desk.audience.affects import Affects, Scope, ScopeUnresolved
from model.misfit import Misfit


def test_uses_and_a_tag_take_the_label_of_the_alert() -> None:
    affects = Affects.parse("uses and region={{ region }} and tier=gold")
    scope = affects.scope({"region": "eu"})
    assert scope == Scope(uses=True, tags=(("region", "eu"), ("tier", "gold")))


@pytest.mark.parametrize("labels", [{}, {"region": ""}, {"Region": "eu"}])
def test_a_label_that_is_missing_leaves_the_scope_unresolved(labels: dict[str, str]) -> None:
    scope = Affects.parse("uses and region={{ region }}").scope(labels)
    assert scope == ScopeUnresolved("the alert has no label 'region', which the scope needs")


def test_everyone_must_be_written_out() -> None:
    assert Affects.parse("everyone").scope({}) == Scope(everyone=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all",
        "*",
        "everyone and uses",
        "uses and everyone",
        "uses or region=eu",
        "region=",
        "uses and uses",
        "region={{ }}",
        "uses and region=eu and region=us",
        "region={{ $labels.region }}",
        "uses and ",
    ],
)
def test_what_names_nobody_for_certain_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Affects.parse(text)


def test_the_mistake_is_found_where_it_stands() -> None:
    with pytest.raises(Misfit) as wrong:
        Affects.parse("uses and oops")
    assert wrong.value.offset == 9
