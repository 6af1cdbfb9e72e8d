"""Addresses, languages, zones and quiet hours are read strictly."""

from __future__ import annotations

import pytest

from desk.catalogue.person import EmailAddress, Language, Quiet, Sender, Text, Zone, printable
from model.misfit import Misfit


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example, c@d.example",
        '"x" <a@b.example>',
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\n",
        "a@b.example\x00",
        "a@b.example\x85",
        "a\u202e@b.example",
        "team: a@b.example;",
        '"quoted local"@b.example',
        "a@[127.0.0.1]",
        "a@b",
        "a@b.example.",
        "a..b@c.example",
        ".a@c.example",
        "a b@c.example",
        "a(comment)@c.example",
        "@c.example",
        "a@",
        "",
        "x" * 65 + "@c.example",
        "a@" + ".".join(["x" * 60] * 5),
        "a@-b.example",
        "ä@b.example",
    ],
)
def test_what_is_not_exactly_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        EmailAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ada.L+desk@Acme.Example", "Ada.L+desk@acme.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_kept_in_lower_case_and_as_its_a_labels(text: str, address: str) -> None:
    assert EmailAddress.parse(text) == address


def test_a_sender_has_a_name_or_none() -> None:
    assert Sender.parse("Example <status@example.com>").name == "Example"
    assert Sender.parse("status@example.com") == Sender("", EmailAddress("status@example.com"))
    with pytest.raises(Misfit):
        Sender.parse("Example\n <status@example.com>")


def test_an_unknown_language_or_zone_is_refused() -> None:
    assert Language.parse("pt-BR") == "pt-BR"
    assert Zone.parse("Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(Misfit):
        Language.parse("German")
    with pytest.raises(Misfit):
        Zone.parse("../../etc/passwd")


def test_quiet_hours_over_midnight_end_in_the_morning() -> None:
    quiet, zone = Quiet.parse("22:00-07:00"), Zone("Europe/Berlin")
    night_ms = 1_784_000_000_000  # 05:33 in Berlin
    assert quiet.end_ms(night_ms, zone) == 1_784_005_200_000
    assert quiet.end_ms(night_ms + 2 * 3_600_000, zone) is None
    assert str(quiet) == "22:00-07:00"


@pytest.mark.parametrize("text", ["22-07", "24:00-07:00", "07:00-07:00", "22:00"])
def test_quiet_hours_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Quiet.parse(text)


def test_controls_and_overrides_vanish_from_what_is_shown() -> None:
    assert printable("a\r\nb\x00c\u202ed\ue000e") == "a bcde"
    with pytest.raises(Misfit):
        Text.parse("Ada\u202e")
