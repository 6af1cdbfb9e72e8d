from __future__ import annotations

import json
import time

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline, Look
from probes.net import domain
from probes.net.address import Url
from probes.net.domain import DomainName, Unanswered, expiry_s, server_of
from tests.probes.targets import answering, hang, listening, page, unused_port, values

DATE = "2026-08-13T04:00:00Z"
DATE_S = 1786593600
HOUR_S = 3600.0
EXPIRY = 'beforehand_domain_expiry_timestamp_seconds{domain="example.com"}'
AGE = 'beforehand_domain_answer_age_seconds{domain="example.com"}'
LOOKUP = 'beforehand_domain_lookup_success{domain="example.com"}'
REGISTERED = 'beforehand_domain_registered{domain="example.com"}'


def answer(action: str = "expiration", date: object = DATE) -> bytes:
    events = [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"}]
    events.append({"eventAction": action, "eventDate": date})  # type: ignore[dict-item]  # hostile on purpose
    body = json.dumps({"objectClassName": "domain", "ldhName": "EXAMPLE.COM", "events": events}).encode()
    return page(body, "Content-Type: application/rdap+json")


class Days:
    """A clock that can be moved on, and goes on by itself."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.later_s

    def look(self, one: Look, within_s: float = 5.0) -> dict[str, float]:
        return values(one(Deadline(self.monotonic() + within_s, self.monotonic)))


def looking(port: int, more: str = "") -> Look:
    text = f"{{domain: Example.COM, server: 'http://127.0.0.1:{port}/rdap/'{more}}}"
    return domain.begin(decode(text.encode(), "f", domain.Options))


def test_the_end_of_a_registration_is_told_and_asked_for_twice_a_day() -> None:
    days = Days()
    with answering(answer(), answer(date="2027-08-13T04:00:00Z")) as server:
        one = looking(server.port)
        seen = days.look(one)
        assert (seen[EXPIRY], seen[REGISTERED], seen[LOOKUP]) == (DATE_S, 1, 1)
        assert server.heard[0].startswith(b"GET /rdap/domain/example.com HTTP/1.1\r\n")
        assert b"application/rdap+json" in server.heard[0]
        days.later_s = 11 * HOUR_S
        assert 11 * HOUR_S <= days.look(one)[AGE] < 12 * HOUR_S
        assert len(server.heard) == 1
        days.later_s = 13 * HOUR_S
        assert days.look(one)[EXPIRY] == DATE_S + 365 * 86400
        assert len(server.heard) == 2


def test_a_domain_that_nobody_registered_is_a_fact() -> None:
    with answering(page(b"{}", status="404 Not Found")) as server:
        seen = Days().look(looking(server.port))
    assert seen[REGISTERED] == 0
    assert EXPIRY not in seen


def test_a_failure_keeps_what_was_told_with_its_age_until_it_is_too_old() -> None:
    days = Days()
    with answering(answer(), page(status="429 Too Many Requests")) as server:
        one = looking(server.port)
        days.look(one)
        days.later_s = 13 * HOUR_S
        seen = days.look(one)
        assert (seen[EXPIRY], seen[LOOKUP]) == (DATE_S, 0)
        assert seen[AGE] >= 13 * HOUR_S
        days.later_s = 6 * 24 * HOUR_S
        assert days.look(one)[EXPIRY] == DATE_S
        days.later_s = 8 * 24 * HOUR_S
        with pytest.raises(Unanswered, match="429"):
            days.look(one)


def test_a_server_that_fails_is_asked_ever_more_seldom() -> None:
    days = Days()
    with answering(page(status="503 Service Unavailable")) as server:
        one = looking(server.port)
        for quarter in range(4 * 24 * 4):
            days.later_s = quarter * HOUR_S / 4
            with pytest.raises(Unanswered, match="503"):
                days.look(one)
        # After 1, 3, 7 and 15 hours, then every 12.
        assert len(server.heard) == 5 + 6


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"events": 5}', b'{"events": [5]}', b'{"events": {"a": 1}}', b"[" * 100_000,
     b'{"events": [{"eventAction": ["x"]}]}'],
)  # fmt: skip  # the cases on two lines
def test_an_answer_that_is_none_leaves_the_domain_unknown(body: bytes) -> None:
    with answering(page(body)) as server, pytest.raises(Unanswered, match="cannot be read"):
        Days().look(looking(server.port))


@pytest.mark.parametrize("date", ["soon", "", None, 5, "2026-02-30T00:00:00Z"])
def test_a_registration_without_a_readable_end_is_told_without_one(date: object) -> None:
    with answering(answer(date=date)) as server:
        seen = Days().look(looking(server.port))
    assert seen[REGISTERED] == 1
    assert EXPIRY not in seen


def test_the_registrars_end_counts_where_the_registry_tells_none() -> None:
    body = {"events": [{"eventAction": "registrar expiration", "eventDate": DATE}]}
    assert expiry_s(json.dumps(body).encode()) == DATE_S
    body["events"].insert(0, {"eventAction": "expiration", "eventDate": "9999-12-31T23:59:59Z"})
    assert expiry_s(json.dumps(body).encode()) == 253402300799


def test_a_body_without_end_is_left() -> None:
    with (
        answering(page(b"x" * (domain.ANSWER_BYTES_MAX + 1))) as server,
        pytest.raises(Unanswered, match="longer"),
    ):
        Days().look(looking(server.port))


def test_a_silent_server_costs_one_deadline() -> None:
    began = time.monotonic()
    with listening(hang) as port, pytest.raises(Unanswered):
        Days().look(looking(port), within_s=0.5)
    assert time.monotonic() - began < 4


def test_nobody_listening_leaves_the_domain_unknown() -> None:
    with pytest.raises(Unanswered, match="refused"):
        Days().look(looking(unused_port()))


LIST = {
    "version": "1.0",
    "services": [
        [["com", "net"], ["http://a.example/", "https://b.example/v1/"]],
        [["co.uk"], ["https://c.example/"]],
        [["uk"], ["https://d.example/"]],
    ],
}


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("example.com", "https://b.example/v1/"),
        ("a.co.uk", "https://c.example/"),
        ("b.org.uk", "https://d.example/"),
    ],
)
def test_the_list_of_servers_is_searched_for_the_longest_suffix(name: str, server: str) -> None:
    assert server_of(DomainName(name), json.dumps(LIST).encode()) == Url.parse(server)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"services": 5}', b'{"services": [[1, 2]]}', b"[" * 100_000])
def test_a_list_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(Unanswered, match="list"):
        server_of(DomainName("example.com"), text)


def test_a_suffix_without_a_server_is_told_with_its_cure() -> None:
    with pytest.raises(Unanswered, match="server:"):
        server_of(DomainName("example.io"), json.dumps(LIST).encode())


def test_the_list_is_asked_where_no_server_is_named() -> None:
    listed = json.dumps({"services": [[["com"], ["https://localhost.localhost:1/"]]]}).encode()
    with answering(page(listed)) as server:
        text = f"{{domain: example.com, bootstrap: 'http://127.0.0.1:{server.port}/dns.json'}}"
        one = domain.begin(decode(text.encode(), "f", domain.Options))
        with pytest.raises(Unanswered, match="localhost"):
            Days().look(one)
        assert server.heard[0].startswith(b"GET /dns.json ")


@pytest.mark.parametrize(
    "text",
    ["{domain: localhost}", "{domain: 'a b.com'}", "{domain: 'münchen.de'}", "{domain: '../x.com'}",
     "{domain: a.com, refresh: 1h}", "{domain: a.com, server: 'ftp://x/'}"],
)  # fmt: skip  # the cases on two lines
def test_options_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        decode(text.encode(), "f", domain.Options)
