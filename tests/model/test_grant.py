from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from model.grant import Grant, genuine, host_key, key_of, sealed
from model.misfit import Misfit

KEY = bytes(range(32))
GRANT = sealed(Grant("a1", "web-1", "restart-nginx", "0" * 64, "ada", True, 1_000, 2_000), KEY)


def test_a_sealed_grant_is_genuine() -> None:
    assert genuine(GRANT, KEY)


def test_another_key_makes_another_seal() -> None:
    assert not genuine(GRANT, bytes(32))


@pytest.mark.parametrize("name", [one.name for one in fields(Grant) if one.name != "seal"])
def test_whatever_is_changed_breaks_the_seal(name: str) -> None:
    value = getattr(GRANT, name)
    other = (not value) if isinstance(value, bool) else value + (1 if isinstance(value, int) else "x")
    changed: dict[str, Any] = {name: other}
    assert not genuine(replace(GRANT, **changed), KEY)


def test_what_moves_from_one_field_to_the_next_breaks_the_seal() -> None:
    assert not genuine(replace(GRANT, host="web-1restart", playbook="-nginx"), KEY)


@pytest.mark.parametrize("seal", ["", "é", "0" * 64])
def test_a_grant_without_its_seal_is_not_genuine(seal: str) -> None:
    assert not genuine(replace(GRANT, seal=seal), KEY)


def test_a_key_is_read_from_its_digits() -> None:
    assert key_of(KEY.hex() + "\n") == KEY


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 31])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Misfit, match="64 hexadecimal digits"):
        key_of(text)


def test_the_key_of_one_host_makes_no_grant_for_another() -> None:
    one, other = host_key(KEY, "web-1"), host_key(KEY, "web-2")
    assert one == host_key(KEY, "web-1")
    assert len({one, other, KEY}) == 3
    assert not genuine(sealed(GRANT, one), other)
