"""A host asks before it is touched where the playbook minds the others, and knows what to do unanswered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.fleet import OFFLINE_MS, Fleet
from agent.lessee import Lessee
from model.labels import Labels
from remediations.playbook import Playbook
from tests.desk import town
from tests.desk.serving import Serving
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

ALERT = stage.alert(Labels.of(alertname="ShopDown", instance="web1", service="checkout"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[str]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield f"http://127.0.0.1:{running.staff}"


def minding() -> Playbook:
    return stage.playbook(guard="{hosts_at_once: 1}")


def test_one_host_is_let_and_the_next_is_told_why_not(desk: str) -> None:
    first, second = (Fleet(Lessee([desk], host), lambda: NOW_MS) for host in ("web1", "web2"))
    assert first.lease(minding(), ALERT) == ""
    assert second.lease(minding(), ALERT) == "1 of 1 hosts of checkout may be worked on at once, now web1"
    assert first.lease(minding(), ALERT) == "", "who holds a lease keeps it"


def test_a_playbook_that_does_not_mind_the_others_asks_nobody() -> None:
    alone = Fleet(Lessee(["http://127.0.0.1:9"], "web1"), lambda: NOW_MS)
    assert [alone.lease(stage.playbook(), ALERT) for _ in range(3)] == ["", "", ""]


def test_what_belongs_to_no_service_has_no_others_to_mind() -> None:
    alone = Fleet(Lessee(["http://127.0.0.1:9"], "web1"), lambda: NOW_MS)
    lonely = stage.alert(Labels.of(alertname="ShopDown", instance="web1"))
    assert [alone.lease(minding(), lonely) for _ in range(2)] == ["", ""]


def test_while_no_desk_answers_a_playbook_acts_once_a_day() -> None:
    now = [NOW_MS]
    alone = Fleet(Lessee(["http://127.0.0.1:9"], "web1"), lambda: now[0])
    assert alone.lease(minding(), ALERT) == ""
    now[0] += OFFLINE_MS - 1
    assert "it acted once without today" in alone.lease(minding(), ALERT)
    now[0] += 1
    assert alone.lease(minding(), ALERT) == ""
