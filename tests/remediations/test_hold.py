"""A hold keeps a playbook from beginning anything, and ends by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.misfit import Misfit
from remediations.hold import Holds, lasting
from tests.remediations.guards.asking import HOUR
from tests.remediations.stage import NOW_MS


def test_a_hold_of_one_playbook_and_one_of_all_say_who_why_and_until_when(tmp_path: Path) -> None:
    holds = Holds(tmp_path / "holds")
    assert holds.held(NOW_MS) == {}
    holds.set("restart-nginx", "ada", "we are tuning it", NOW_MS + HOUR)
    holds.set("", "ben", "", NOW_MS + 2 * HOUR)
    assert holds.held(NOW_MS) == {
        "restart-nginx": "held back by ada until 23:13:20 UTC: we are tuning it",
        "": "held back by ben until 00:13:20 UTC",
    }
    assert holds.held(NOW_MS + HOUR) == {"": "held back by ben until 00:13:20 UTC"}
    assert holds.lift("")
    assert not holds.lift("")
    assert holds.held(NOW_MS + HOUR) == {}


def test_what_cannot_be_read_or_was_written_by_hand_holds(tmp_path: Path) -> None:
    holds = Holds(tmp_path)
    (tmp_path / "a").symlink_to("/dev/zero")
    (tmp_path / "b").write_text("hands off\x1b[31m\n")
    (tmp_path / "c").write_text('{"until_ms": "never", "by": 7}')
    (tmp_path / ".draft").write_text("")
    held = holds.held(NOW_MS)
    assert sorted(held) == ["a", "b", "c"]
    assert "cannot be read" in held["a"]
    assert held["b"].startswith("held back by a file that a human wrote: hands off")
    assert "\x1b" not in held["b"]
    assert held["c"] == "held back by a file that a human wrote"


def test_a_folder_that_is_none_holds_everything(tmp_path: Path) -> None:
    (tmp_path / "holds").write_text("")
    assert "cannot be read" in Holds(tmp_path / "holds").held(NOW_MS)[""]


@pytest.mark.parametrize("text", ["0s", "8d", "soon"])
def test_a_hold_lasts_a_week_at_most(text: str) -> None:
    with pytest.raises(Misfit):
        lasting(text)
    assert lasting("7d").ms == 7 * 24 * HOUR
