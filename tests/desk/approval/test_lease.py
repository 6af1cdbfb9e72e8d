"""Who may be worked on is decided over the whole group, and every no says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.approval.lease import APART_MS, LEASE_MS, Denied, Granted, Group, Request, decide, hosts_max

NOW = 1_700_000_000_000
MINUTE = 60_000
LONG_AGO = NOW - 60 * MINUTE


def hosts(count: int) -> frozenset[str]:
    return frozenset(f"web{number}" for number in range(count))


def asked(instance: str = "web0", at_once: str = "") -> Request:
    return Request("checkout", instance, "restart-nginx", at_once)


def reason(verdict: Granted | Denied) -> str:
    assert isinstance(verdict, Denied)
    assert verdict.retry_at_ms > NOW
    return verdict.reason


def test_the_only_host_of_a_service_may_be_healed() -> None:
    assert decide(asked(), Group(sick={"web0": LONG_AGO}), NOW) == Granted(NOW + LEASE_MS)


def test_one_host_of_a_small_group_at_a_time() -> None:
    group = Group(hosts(10), {"web0": LONG_AGO, "web1": LONG_AGO}, {"web1": LONG_AGO})
    said = reason(decide(asked(), group, NOW))
    assert said == "1 of 10 hosts of checkout may be worked on at once, now web1"


def test_who_holds_a_lease_keeps_it() -> None:
    group = Group(hosts(10), {"web0": NOW}, {"web0": NOW}, last_ms=NOW)
    assert isinstance(decide(asked(), group, NOW), Granted)


def test_what_befell_a_third_of_a_group_at_once_is_not_healed_host_by_host() -> None:
    fresh = {f"web{number}": NOW - MINUTE for number in range(4)}
    verdict = decide(asked(), Group(hosts(12), fresh), NOW)
    assert "4 of 12 hosts of checkout fell sick within five minutes" in reason(verdict)
    assert isinstance(verdict, Denied)
    assert verdict.page
    few = {f"web{number}": NOW - MINUTE for number in range(2)}
    assert isinstance(decide(asked(), Group(hosts(12), few), NOW), Granted)


def test_enough_of_a_group_stays_untouched() -> None:
    sick = {f"web{number}": LONG_AGO for number in range(5)}
    assert "5 of 10 hosts of checkout are sick or under repair" in reason(
        decide(asked(), Group(hosts(10), sick), NOW)
    )


def test_nothing_is_begun_for_what_suffers_from_something_upstream() -> None:
    group = Group(hosts(3), {"web0": LONG_AGO}, upstream=("database",))
    assert reason(decide(asked(), group, NOW)) == "checkout depends on database, where an incident is open"


def test_hosts_are_begun_ten_seconds_apart() -> None:
    group = Group(hosts(100), {"web0": LONG_AGO}, last_ms=NOW - 4000)
    verdict = decide(asked(), group, NOW)
    assert isinstance(verdict, Denied)
    assert verdict.retry_at_ms == NOW - 4000 + APART_MS


@pytest.mark.parametrize(
    ("written", "size", "most"),
    [
        ("", 1, 1),
        ("", 10, 1),
        ("", 11, 1),
        ("", 40, 2),
        ("", 1000, 50),
        ("10%", 5, 1),
        ("10%", 50, 5),
        ("3", 100, 3),
    ],
)
def test_how_many_at_once_follows_the_group_unless_it_is_written(written: str, size: int, most: int) -> None:
    assert hosts_max(written, size) == most


@given(
    st.integers(3, 60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 600_000)), max_size=80),
)
def test_however_hosts_fall_sick_never_too_many_are_worked_on_at_once(
    size: int, falls: list[tuple[int, int]]
) -> None:
    sick: dict[str, int] = {}
    leased: dict[str, int] = {}
    last_ms = 0
    now_ms = NOW
    for number, wait_ms in falls:
        now_ms += wait_ms
        host = f"web{number % size}"
        sick.setdefault(host, now_ms)
        verdict = decide(asked(host), Group(hosts(size), sick, leased, last_ms), now_ms)
        if isinstance(verdict, Granted):
            leased[host] = last_ms = now_ms
        assert len(leased) <= hosts_max("", size)
