"""A package is upgraded by its plain name, and not while somebody else changes packages."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.step import Risk
from tests.remediations.actions.planning import asked, planned, risk


@pytest.mark.parametrize(("text", "words"), [("{name: openssl}", "upgrade openssl from a security archive")])
def test_the_first_step_says_what_it_does(text: str, words: str) -> None:
    assert str(planned("package", text)[0]).startswith(words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{name: openssl-}", "is not a package"),
        ("{name: '-y'}", "is not a package"),
        ("{name: openssl=1.0}", "is not a package"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("package", text)


def test_whoever_changes_packages_already_is_looked_for_by_one_guard_alone() -> None:
    assert asked("package", "{name: openssl}") == []
    assert risk("package") is Risk.IRREVERSIBLE
