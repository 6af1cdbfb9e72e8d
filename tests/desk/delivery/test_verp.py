from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.catalogue.person import EmailAddress
from desk.delivery.verp import fits, person_of, reported_of, return_path
from tests.desk.delivery.test_bounce import POSTFIX

SECRET = b"s" * 32
PATH = EmailAddress("bounce@shop.example")


def report(to: str) -> bytes:
    return POSTFIX.replace(b"bounce+abc@shop.example", to.encode())


def test_a_report_to_our_own_address_names_the_person() -> None:
    address = return_path(SECRET, PATH, 17)
    assert EmailAddress.parse(address) == address
    assert person_of(SECRET, PATH, address) == 17
    assert reported_of(SECRET, PATH, report(address)) == 17
    assert reported_of(SECRET, PATH, report(f"Bounces <{address.upper()}>")) == 17


def test_a_report_without_a_genuine_token_is_nobodys() -> None:
    genuine = return_path(SECRET, PATH, 17)
    for forged in (
        "bounce@shop.example",
        "bounce+abc@shop.example",
        genuine.replace("+17-", "+18-"),
        genuine.replace("shop.example", "other.example"),
        return_path(b"t" * 32, PATH, 17),
    ):
        assert reported_of(SECRET, PATH, report(forged)) is None, forged


def test_the_longest_token_fits_or_the_address_is_refused() -> None:
    longest = return_path(SECRET, PATH, 999_999_999)
    assert EmailAddress.parse(longest) == longest
    assert fits(EmailAddress("x" * 21 + "@shop.example"))
    assert not fits(EmailAddress("x" * 22 + "@shop.example"))


@given(st.binary(max_size=300))
def test_whatever_is_handed_in_is_nobodys_or_genuine(noise: bytes) -> None:
    assert reported_of(SECRET, PATH, b"To: bounce+" + noise) is None


@pytest.mark.parametrize("text", ["", "+", "@", "bounce+1-" + "0" * 32 + "@shop.example"])
def test_what_is_no_such_address_is_nobodys(text: str) -> None:
    assert person_of(SECRET, PATH, text) is None
