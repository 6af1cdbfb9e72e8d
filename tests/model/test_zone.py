"""Names of time zones."""

from __future__ import annotations

import pytest

from model.misfit import Misfit
from model.zone import Zone


def test_a_zone_is_one_that_the_database_knows() -> None:
    assert Zone.parse("Europe/Berlin") == "Europe/Berlin"


@pytest.mark.parametrize(
    "text", ["Europe/Atlantis", "../../etc/passwd", "/etc/passwd", "", "UTC\0", "a" * 5000]
)
def test_any_other_name_is_refused(text: str) -> None:
    with pytest.raises(Misfit, match="is not a time zone"):
        Zone.parse(text)
