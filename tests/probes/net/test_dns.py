from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import dns
from probes.net.dns import Options, Seen
from tests.probes.net import servers
from tests.probes.net.servers import ADDRESS, Reply, answer, datagrams
from tests.probes.targets import Certificate, Connection, hang, listening, unused_port, values, within


def options(port: int, more: str = "") -> Options:
    text = f"{{target: '127.0.0.1:{port}', query_name: www.example.com, query_type: A{more}}}"
    return decode(text.encode(), "f", Options)


def look(port: int, more: str = "", limit_s: float = 5) -> Seen:
    return dns.look(options(port, more), within(limit_s))


@pytest.mark.needs("dnsmasq")
def test_a_real_server_is_asked_by_datagram_and_by_stream(tmp_path: Path) -> None:
    with servers.dnsmasq(tmp_path) as port:
        for more in ("", ", transport_protocol: tcp", ", recursion_desired: false"):
            told = values(dns.run(options(port, more), within(5)))
            assert (told["probe_success"], told["probe_dns_answer_rrs"]) == (1, 1)
            assert told["probe_dns_query_succeeded"] == 1
            assert told['probe_dns_duration_seconds{phase="request"}'] > 0
        soa = f"{{target: '127.0.0.1:{port}', query_name: example.com, query_type: SOA}}"
        told = values(dns.run(decode(soa.encode(), "f", Options), within(5)))
    assert told["probe_dns_serial"] == 2025112201


def test_nobody_there_is_a_fact() -> None:
    seen = look(unused_port())
    assert seen.trace.failure == "the server does not answer: Connection refused"
    told = values(dns.samples(options(1), seen))
    assert (told["probe_dns_query_succeeded"], told["probe_dns_answer_rrs"]) == (0, 0)


def test_a_server_that_hangs_costs_one_deadline() -> None:
    with datagrams(lambda _: []) as port:
        began = time.monotonic()
        assert look(port, limit_s=0.4).trace.failure == "the target did not finish in time"
    with listening(hang) as port:
        seen = look(port, ", transport_protocol: tcp", limit_s=0.4)
        assert seen.trace.failure == "the target did not finish in time"
    assert time.monotonic() - began < 5


def test_a_resolver_that_hangs_is_no_fact_about_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        released.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "it does not answer")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    text = "{target: ns.example.com, query_name: example.com}"
    conversation = dns.converse(decode(text.encode(), "f", Options), within(5))
    ask = next(conversation)
    # Whoever holds the conversation waits for this aside, and for no longer than the deadline.
    assert type(ask).__name__ == "Aside"
    released.set()
    conversation.close()


def test_strays_and_answers_to_others_are_passed_over() -> None:
    def reply(query: bytes) -> list[bytes]:
        other = bytes((query[0] ^ 1, query[1])) + query[2:]
        return [b"", b"x", query, answer(other), answer(query, ADDRESS, 1)]

    with datagrams(reply) as port:
        seen = look(port)
    assert seen.trace.failure == ""
    assert seen.answer is not None
    assert str(seen.answer.answer[0]) == "www.example.com.\t60\tIN\tA\t127.0.0.7"


def test_a_flood_of_strays_ends() -> None:
    with datagrams(lambda query: [b"x"] * (dns.STRAYS_MAX + 100)) as port:
        assert look(port, limit_s=1.5).trace.failure in (
            "the server sends without end",
            "the target did not finish in time",
        )


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (lambda q: [answer(q)[:-2]], "the answer cannot be read"),
        (
            lambda q: [answer(q.replace(b"www", b"xxx"))],
            "the answer cannot be read: the answer is to",
        ),
        (lambda q: [answer(q, flags=0x8183)], "the response code is NXDOMAIN"),
        (lambda q: [answer(q, b"\xc0\x21" + ADDRESS[2:], 1)], "the answer cannot be read: a name points"),
    ],
    ids=["cut", "foreign", "unknown", "loop"],
)
def test_an_odd_answer_is_a_fact_about_its_server(reply: Reply, sentence: str) -> None:
    with datagrams(reply) as port:
        assert look(port).trace.failure.startswith(sentence)


def stream(*parts: bytes) -> Callable[[Connection], None]:
    def serve(connection: Connection) -> None:
        query = connection.socket.recv(2000)[2:]
        for part in parts or (answer(query, ADDRESS, 1),):
            whole = part or answer(query, ADDRESS, 1)
            connection.socket.sendall(len(whole).to_bytes(2, "big") + whole)

    return serve


def test_a_stream_that_ends_or_answers_another_is_a_fact() -> None:
    tcp = ", transport_protocol: tcp"
    with listening(lambda connection: connection.socket.recv(2000)) as port:
        assert look(port, tcp).trace.failure == "the connection ended before the answer did"
    with listening(stream(bytes(40))) as port:
        assert look(port, tcp).trace.failure == "the answer is to another question"


@pytest.mark.needs("openssl")
def test_dns_over_tls_is_judged_like_any_tls(good: Certificate) -> None:
    over = ", transport_protocol: tcp, dns_over_tls: true"
    with listening(stream(), good.server()) as port:
        trusted = look(port, f"{over}, tls_config: {{ca_file: {good.path}}}")
        untrusted = look(port, over)
    assert trusted.trace.failure == ""
    assert trusted.trace.agreed is not None
    assert "certificate verify failed" in untrusted.trace.failure


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ("fail_if_matches_regexp: ['A\\s127']", "a record of the answer section matches A\\s127"),
        ("fail_if_matches_regexp: [CNAME]", ""),
        ("fail_if_not_matches_regexp: ['\\.7$']", ""),
        ("fail_if_not_matches_regexp: [CNAME]", "a record of the answer section does not match CNAME"),
        ("fail_if_all_match_regexp: [CNAME]", "not every record of the answer section matches"),
        ("fail_if_all_match_regexp: [A, IN]", ""),
        ("fail_if_none_matches_regexp: [CNAME, MX]", "no record of the answer section matches"),
        ("fail_if_none_matches_regexp: [CNAME, IN]", ""),
    ],
)
def test_records_are_judged_by_expressions(rules: str, sentence: str) -> None:
    with datagrams(lambda query: [answer(query, ADDRESS, 1)]) as port:
        assert look(port, f", validate_answer_rrs: {{{rules}}}").trace.failure == sentence


def test_an_empty_section_fails_where_something_must_match() -> None:
    with datagrams(lambda query: [answer(query)]) as port:
        for key in ("fail_if_not_matches_regexp", "fail_if_none_matches_regexp"):
            seen = look(port, f", validate_authority_rrs: {{{key}: [x]}}")
            assert seen.trace.failure == "the authority section is empty"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{target: a}", "the key 'query_name' is missing"),
        (b"{target: a, query_name: x, query_type: B}", "'B' is not a DNS type"),
        (b"{target: a, query_name: x, query_class: B}", "'B' is not a DNS class"),
        (b"{target: a, query_name: x, valid_rcodes: [B]}", "'B' is not a DNS response code"),
        (b"{target: a, query_name: a..b}", "is not a domain name"),
        (b"{target: a, query_name: x, dns_over_tls: true}", "DNS over TLS goes over tcp"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)


def test_the_port_is_the_protocols_own_where_none_is_written() -> None:
    plain = decode(b"{target: a, query_name: x}", "f", Options)
    secure = decode(b"{target: a, query_name: x, dns_over_tls: true, transport_protocol: tcp}", "f", Options)
    assert (plain.endpoint.port, secure.endpoint.port) == (53, 853)
    assert dns.PROBE.named(plain) == "dns ANY x. at a"
