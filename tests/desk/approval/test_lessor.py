"""Leases over the wire: what agents say of themselves, what is granted, and that it is not forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.desks.lessee import Leased, Lessee, Unheard, Unleased
from tests.desk import town
from tests.desk.serving import Serving, alert


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Serving]:
    with Serving(town.write(tmp_path), tmp_path / "state") as running:
        yield running


def watchdog(host: str, services: str = "checkout") -> dict[str, object]:
    one = alert("Watchdog", severity="none", service="", instance=host)
    one["annotations"] = {"beforehand_host": host, "beforehand_services": services}
    return one


def sick(host: str) -> dict[str, object]:
    one = alert(instance=f"http://{host}/")
    one["annotations"] = {"beforehand_host": host}
    return one


def lessee(desk: Serving, host: str) -> Lessee:
    return Lessee([f"http://127.0.0.1:{desk.staff}"], host)


def test_a_host_is_granted_its_lease_and_a_second_one_waits_for_it(desk: Serving) -> None:
    desk.post([watchdog(f"web{number}") for number in range(8)])
    desk.post([sick("web1"), sick("web2")])
    assert lessee(desk, "web1").ask("checkout", "restart-nginx") == Leased()
    denied = lessee(desk, "web2").ask("checkout", "restart-nginx")
    assert isinstance(denied, Unleased)
    assert denied.reason == "1 of 8 hosts of checkout may be worked on at once, now web1"
    lessee(desk, "web1").give_back("checkout")
    denied = lessee(desk, "web2").ask("checkout", "restart-nginx")
    assert isinstance(denied, Unleased)
    assert denied.reason == "another host was begun less than 10 s ago"


def test_a_fleet_that_fell_sick_at_once_is_left_to_a_human(desk: Serving) -> None:
    desk.post([watchdog(f"web{number}") for number in range(10)])
    desk.post([sick(f"web{number}") for number in range(6)])
    verdicts = [lessee(desk, f"web{number}").ask("checkout", "restart-nginx") for number in range(6)]
    assert all(isinstance(verdict, Unleased) and verdict.page for verdict in verdicts)


def test_a_lease_outlives_a_kill_of_the_desk(desk: Serving) -> None:
    desk.post([watchdog("web1"), watchdog("web2")])
    assert lessee(desk, "web1").ask("checkout", "restart-nginx") == Leased()
    desk.kill()
    desk.start()
    denied = lessee(desk, "web2").ask("checkout", "restart-nginx")
    assert isinstance(denied, Unleased)


def test_a_desk_that_does_not_answer_is_no_answer() -> None:
    assert isinstance(Lessee(["http://127.0.0.1:9"], "web1").ask("checkout", "x"), Unheard)
    assert isinstance(Lessee([], "web1").ask("checkout", "x"), Unheard)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"service": "", "host": "a", "playbook": "b"}', b"[" * 5000,
     b'{"service": "a", "host": "b", "playbook": "c", "hosts_at_once": "0%"}',
     b'{"service": "a", "host": "b", "playbook": "c", "more": 1}'],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_words(desk: Serving, body: bytes) -> None:
    reply = desk.ask("/api/v1/leases", method="POST", body=body)
    assert reply.status == 400
    assert "is not a request for a lease" in reply.json()
