"""A host asks before it is touched where the playbook minds the others, and knows what to do unanswered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.desks.lessee import Lessee
from agent.healing.fleet import OFFLINE_MS, Fleet
from model.labels import Labels
from remediations.writing.playbook import Playbook
from tests.desk import town
from tests.desk.serving import Serving
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

NO_DESK = "http://127.0.0.1:9"
ALERT = stage.alert(Labels.of(alertname="ShopDown", instance="web1", service="checkout"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[str]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield f"http://127.0.0.1:{running.staff}"


def fleet(folder: Path, desk: str, host: str = "web1", now: Callable[[], int] = lambda: NOW_MS) -> Fleet:
    return Fleet(Lessee([desk], host), now, folder / f"leases-{host}.json")


def minding() -> Playbook:
    return stage.playbook(guard="{hosts_at_once: 1}")


def test_one_host_is_let_and_the_next_is_told_why_not(tmp_path: Path, desk: str) -> None:
    first, second = (fleet(tmp_path, desk, host) for host in ("web1", "web2"))
    assert first.lease(minding(), ALERT) == ""
    assert second.lease(minding(), ALERT) == "1 of 1 hosts of checkout may be worked on at once, now web1"
    assert first.lease(minding(), ALERT) == "", "who holds a lease keeps it"


def test_a_playbook_that_does_not_mind_the_others_asks_nobody(tmp_path: Path) -> None:
    alone = fleet(tmp_path, NO_DESK)
    assert [alone.lease(stage.playbook(), ALERT) for _ in range(3)] == ["", "", ""]


def test_what_belongs_to_no_service_has_no_others_to_mind(tmp_path: Path) -> None:
    alone = fleet(tmp_path, NO_DESK)
    lonely = stage.alert(Labels.of(alertname="ShopDown", instance="web1"))
    assert [alone.lease(minding(), lonely) for _ in range(2)] == ["", ""]


def test_while_no_desk_answers_a_playbook_acts_once_a_day(tmp_path: Path) -> None:
    now = [NOW_MS]
    alone = fleet(tmp_path, NO_DESK, now=lambda: now[0])
    assert alone.lease(minding(), ALERT) == ""
    now[0] += OFFLINE_MS - 1
    assert "it acted once without today" in alone.lease(minding(), ALERT)
    now[0] += 1
    assert alone.lease(minding(), ALERT) == ""


def test_a_lease_that_is_given_back_lets_the_next_host_begin(tmp_path: Path, desk: str) -> None:
    first, second = (fleet(tmp_path, desk, host) for host in ("web1", "web2"))
    assert first.lease(minding(), ALERT) == ""
    first.give_back(ALERT.labels, 1)
    assert "of 1 hosts" not in second.lease(minding(), ALERT)


def test_a_lease_stays_until_the_last_run_that_needs_it_is_over(tmp_path: Path, desk: str) -> None:
    first, second = (fleet(tmp_path, desk, host) for host in ("web1", "web2"))
    other = stage.alert(Labels.of(alertname="ShopSlow", instance="web1", service="checkout"))
    assert [first.lease(minding(), one) for one in (ALERT, other)] == ["", ""]
    assert first.lease(stage.playbook(), ALERT) == "", "one that minds nobody holds nothing"
    first.give_back(ALERT.labels, 2)
    assert "of 1 hosts" in second.lease(minding(), ALERT)
    first.give_back(other.labels, 1)
    assert "of 1 hosts" not in second.lease(minding(), ALERT)


def test_a_lease_of_an_earlier_life_is_given_back_unless_its_run_goes_on(tmp_path: Path, desk: str) -> None:
    assert fleet(tmp_path, desk).lease(minding(), ALERT) == ""
    again, second = fleet(tmp_path, desk), fleet(tmp_path, desk, "web2")
    again.settle(frozenset({ALERT.labels}))
    assert "of 1 hosts" in second.lease(minding(), ALERT)
    again.settle(frozenset())
    assert "of 1 hosts" not in second.lease(minding(), ALERT)


def test_what_was_never_leased_is_given_back_to_nobody(tmp_path: Path, desk: str) -> None:
    first, second = (fleet(tmp_path, desk, host) for host in ("web1", "web2"))
    assert first.lease(minding(), ALERT) == ""
    assert "of 1 hosts" in second.lease(minding(), ALERT)
    second.give_back(ALERT.labels, 0)
    assert "of 1 hosts" in fleet(tmp_path, desk, "web3").lease(minding(), ALERT), "web1 still holds its own"


def test_a_file_that_says_nothing_is_taken_as_no_lease(tmp_path: Path) -> None:
    alone = fleet(tmp_path, NO_DESK)
    alone.file.write_text("}{")
    alone.settle(frozenset())
    assert alone.lease(minding(), ALERT) == ""
    assert json.loads(alone.file.read_text()) == {"services": ["checkout"]}
