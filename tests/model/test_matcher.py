from __future__ import annotations

import pytest

from model.labels import Labels
from model.matcher import Matchers
from model.misfit import Misfit

CHECKOUT = Labels.of(alertname="CheckoutDown", severity="critical")


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ('alertname="CheckoutDown"', True),
        ("alertname=CheckoutDown", True),
        ('{alertname="CheckoutDown"}', True),
        ('alertname=~"Checkout.*|Nginx"', True),
        ('alertname=~"Checkout"', False),
        ('alertname!="CheckoutDown"', False),
        ('alertname!~"Nginx.*" , severity = "critical"', True),
        ('region=""', True),
        ('region!=""', False),
        ('alertname="a, b"', False),
    ],
)
def test_matchers_read_as_alertmanager_reads_them(text: str, matched: bool) -> None:
    assert Matchers.parse(text).matches(CHECKOUT) is matched


@pytest.mark.parametrize(
    ("text", "sentence", "offset"),
    [
        ("", "expected a label name", 0),
        ("alertname", "expected one of = != =~ !~", 9),
        ('alertname="x', "the quoted value does not end", 10),
        ('a="x" b="y"', "expected a comma, got 'b'", 6),
        ('a=~"("', "'(' is not a regular expression: missing ): (", 3),
        ('a=~"(?=x)"', "look-around and back-references are not RE2", 3),
        ('a=~"(x)\\\\1"', "look-around and back-references are not RE2", 3),
        ('a=~"' + "x" * 2000 + '"', "the regular expression is too long", 3),
        ('a="x",', "expected a label name", 6),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, sentence: str, offset: int) -> None:
    with pytest.raises(Misfit) as wrong:
        Matchers.parse(text)
    assert (wrong.value.sentence, wrong.value.offset) == (sentence, offset)


def test_the_first_condition_that_fails_is_named_for_a_near_miss() -> None:
    missed = Matchers.parse('alertname="CheckoutDown", severity="warning"').mismatch(CHECKOUT)
    assert str(missed) == 'severity="warning"'
    assert Matchers.parse('severity="critical"').mismatch(CHECKOUT) is None
