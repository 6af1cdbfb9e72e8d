from __future__ import annotations

import pytest

from model.misfit import Misfit
from probes.pattern import Pattern


def test_a_dot_does_not_match_the_end_of_a_line_as_in_go() -> None:
    assert Pattern.parse("a.c").search(b"abc")
    assert not Pattern.parse("a.c").search(b"a\nc")
    assert Pattern.parse("(?s)a.c").search(b"a\nc")
    assert Pattern.parse("(?i)ABC").search(b"abc")


def test_bytes_that_are_no_text_are_searched_all_the_same() -> None:
    assert Pattern.parse("ok").search(b"\xff\xfe ok")


@pytest.mark.parametrize("text", ["(", "(?=x)", r"(a)\1", "x" * 2000])
def test_what_re2_refuses_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Pattern.parse(text)
