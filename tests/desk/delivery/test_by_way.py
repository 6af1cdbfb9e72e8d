"""Whoever is told of the service that they use, since one behind it fails, can leave the one they read of."""

from __future__ import annotations

import pytest

from desk.delivery.unsubscribe import read_token
from model.plugin import Message
from tests.desk import town
from tests.desk.leaves import furnish
from tests.desk.ledger.scene import counted
from tests.desk.stage import Stage
from tests.desk.town import DAN, SECRET, ended, signal

NEEDS = town.CATALOGUE.replace(
    "- service: search\n  owner: payments\n",
    "- service: search\n  owner: payments\n  depends_on: [checkout]\n",
)


def link(message: Message) -> str:
    headers = dict(message.headers)
    return headers["List-Unsubscribe"].partition(">")[0].rpartition("/")[2]


@pytest.fixture
def behind(stage: Stage) -> Stage:
    furnish(stage, catalogue=NEEDS)
    return stage


def test_the_link_leaves_the_service_that_the_letter_names(behind: Stage) -> None:
    behind.hear(signal())
    behind.pass_ms(1)
    [letter] = behind.letters(DAN)
    assert "No more messages about search" in letter.text
    found = read_token(SECRET, link(letter))
    assert found is not None
    assert found[1] == "search"
    assert dict(letter.headers)["List-Id"].startswith("search <search.")


def test_whoever_left_the_service_that_they_use_is_not_told_by_way_of_it(behind: Stage) -> None:
    behind.leave(DAN, "search")
    one = signal()
    behind.hear(one)
    behind.pass_ms(1)
    assert behind.letters(DAN) == []
    behind.now_ms += 60_000
    behind.hear(ended(one, behind.now_ms))
    behind.pass_ms(1)
    found = counted(behind)
    assert (found.unwilling, found.proactive_people.k, found.proactive_people.n) == (1, 3, 3)


def test_a_name_that_only_looks_alike_leaves_nothing(behind: Stage) -> None:
    behind.leave(DAN, "s_arch")
    behind.hear(signal())
    behind.pass_ms(1)
    assert len(behind.letters(DAN)) == 1
