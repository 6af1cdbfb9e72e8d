from __future__ import annotations

import gzip
import socket
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from model.decode import Raw, decode
from model.misfit import Rejected
from probes.net import http
from probes.net.address import Url
from probes.net.bytesize import ByteSize
from probes.net.credentials import BasicAuth, Secret
from probes.net.http import Exchange
from probes.net.http_options import Options
from probes.net.trust import TlsConfig
from probes.pattern import Pattern
from tests.probes.targets import (
    Behaviour,
    Certificate,
    Connection,
    answering,
    drip,
    hang,
    listening,
    page,
    unused_port,
    values,
    within,
)

PACKED = gzip.compress(b"x" * 99)
ENDLESS = b"a" * 65536


def look(url: str, limit_s: float = 5, **options: Any) -> Exchange:
    return http.look(Options(Url.parse(url), **options), within(limit_s))


def failure(url: str, limit_s: float = 5, **options: Any) -> str:
    return look(url, limit_s, **options).trace.failure


def https(port: int) -> str:
    return f"https://127.0.0.1:{port}/"


def trusting(certificate: Certificate) -> TlsConfig:
    return TlsConfig(ca_file=str(certificate.path))


def test_a_healthy_target_is_told_in_blackbox_exporters_names() -> None:
    with answering(page(b"hello")) as target:
        told = values(http.run(Options(Url.parse(target.url)), within(5)))
    duration = told.pop("probe_duration_seconds")
    phases = {
        phase: told.pop(f'probe_http_duration_seconds{{phase="{phase}"}}')
        for phase in ("resolve", "connect", "tls", "processing", "transfer")
    }
    assert 0 < sum(phases.values()) <= duration < 5
    assert phases["tls"] == 0
    assert told.pop("probe_dns_lookup_time_seconds") == phases["resolve"]
    assert told.pop("probe_ip_addr_hash") > 0
    assert told == {
        "probe_success": 1,
        "probe_ip_protocol": 4,
        "probe_failed_due_to_regex": 0,
        "probe_http_status_code": 200,
        "probe_http_version": 1.1,
        "probe_http_ssl": 0,
        "probe_http_redirects": 0,
        "probe_http_content_length": 5,
        "probe_http_uncompressed_body_length": 5,
    }


def test_a_target_that_refuses_is_down_with_zeros_for_what_was_not_reached() -> None:
    told = values(http.run(Options(Url.parse(f"http://127.0.0.1:{unused_port()}/")), within(5)))
    assert told["probe_success"] == 0
    assert told["probe_ip_protocol"] == 4
    assert told["probe_http_status_code"] == 0
    assert told['probe_http_duration_seconds{phase="connect"}'] > 0
    assert told['probe_http_duration_seconds{phase="transfer"}'] == 0


def test_a_name_that_nobody_knows_is_down() -> None:
    told = values(http.run(Options(Url.parse("http://nowhere.invalid/")), within(5)))
    assert (told["probe_success"], told["probe_ip_protocol"], told["probe_ip_addr_hash"]) == (0, 0, 0)


def test_the_request_says_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret:ü\n")
    with answering(page()) as target:
        look(
            target.url + "a?b=c",
            method="POST",
            body=Secret("hëllo"),
            headers={"X-Key": Secret("k"), "User-Agent": Secret("me")},
            basic_auth=BasicAuth(Raw("ada"), password_file=str(tmp_path / "password")),
        )
    head, _, body = target.heard[0].partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert first == "POST /a?b=c HTTP/1.1"
    assert body == "hëllo".encode()
    assert dict(field.split(": ", 1) for field in fields) == {
        "host": f"127.0.0.1:{target.port}",
        "user-agent": "me",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "6",
        "authorization": "Basic YWRhOnMzY3JldDrDvA==",
        "x-key": "k",
    }


def test_proxy_variables_of_the_environment_are_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    with answering(page()) as target:
        assert failure(target.url) == ""


def test_a_missing_password_file_is_trouble_of_the_probe_and_not_of_its_target(tmp_path: Path) -> None:
    with answering(page()) as target, pytest.raises(FileNotFoundError):
        look(target.url, basic_auth=BasicAuth(Raw("ada"), password_file=str(tmp_path / "none")))


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, True), (404, False), (500, False)])
def test_a_status_other_than_2xx_fails(status: int, healthy: bool) -> None:
    with answering(page(status=f"{status} X")) as target:
        seen = look(target.url)
    assert (seen.trace.failure == "") is healthy
    assert seen.head is not None
    assert seen.head.status == status


def test_other_status_codes_can_be_asked_for() -> None:
    with answering(page(status="401 X")) as target:
        assert failure(target.url, valid_status_codes=(401, 403)) == ""
    with answering(page()) as target:
        assert failure(target.url, valid_status_codes=(401,)) == "the status is 200"


@pytest.mark.parametrize(
    ("bad", "needed", "sentence"),
    [
        ("sorr[yi]", "we", "the body matches sorr[yi]"),
        ("fine", "fine", "the body does not match fine"),
        ("fine", "we are", ""),
    ],
)
def test_the_body_is_judged_by_expressions(bad: str, needed: str, sentence: str) -> None:
    with answering(page(b"we are sorry")) as target:
        seen = look(
            target.url,
            fail_if_body_matches_regexp=(Pattern(bad),),
            fail_if_body_not_matches_regexp=(Pattern(needed),),
        )
    assert seen.trace.failure == sentence
    assert seen.failed_due_to_regex is bool(sentence)


def test_a_head_request_waits_for_no_body() -> None:
    with answering(page(b"hello").partition(b"hello")[0]) as target:
        seen = look(target.url, method="HEAD")
    assert (seen.trace.failure, seen.body) == ("", b"")


def test_an_interim_response_is_passed_over() -> None:
    with answering(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + page()) as target:
        assert look(target.url).body == b"hello"


def test_a_chunked_body_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with answering(head + b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n") as target:
        assert look(target.url).body == b"hello!"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_body_is_unpacked(encoding: str) -> None:
    packed = gzip.compress(b"hello" * 99) if encoding == "gzip" else zlib.compress(b"hello" * 99)
    with answering(page(packed, f"Content-Encoding: {encoding}")) as target:
        assert look(target.url).body == b"hello" * 99
    with answering(page(b"", f"Content-Encoding: {encoding}")) as target:
        assert look(target.url).trace.failure == ""


def test_a_gzip_bomb_is_unpacked_only_up_to_the_limit() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    with answering(page(bomb, "Content-Encoding: gzip")) as target:
        began = time.thread_time()
        seen = look(target.url, body_size_limit=ByteSize(100_000))
    assert len(seen.body) == seen.content.length == 100_000
    assert time.thread_time() - began < 0.5
    assert seen.trace.failure == "the body is longer than 100000 bytes"


def test_a_large_page_is_counted_to_its_end_but_not_kept() -> None:
    with answering(page(b"x" * 3_000_000)) as target:
        seen = look(target.url)
    assert (len(seen.body), seen.content.length, seen.trace.failure) == (1 << 20, 3_000_000, "")


def test_without_a_limit_reading_stops_somewhere_and_that_is_no_failure() -> None:
    with answering(page(b"x" * (9 << 20))) as target:
        seen = look(target.url)
    assert (seen.content.length, seen.content.cut, seen.trace.failure) == (8 << 20, True, "")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "the connection ended before the headers did"),
        (b"hello\r\n\r\n", "the answer does not begin as HTTP/1.x: b'hello'"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "the connection ended before the headers did"),
        (b"HTTP/1.1 200 OK\r\n", "the connection ended before the headers did"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "the body is cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "the body is cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the chunked body is malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "the target sent more than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + ENDLESS, "the target sent more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "the body is not packed as"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED[:-9], "the packed body is cut"),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * 50, "one interim response follows another"),
        (b"HTTP/1.1 200 OK\r\nX: " + ENDLESS * 40, "the target sent more than 65536 bytes"),
        (b"HTTP/1.1 302 X\r\nLocation: gopher://x/\r\n\r\n", "the redirect leads nowhere"),
        (b"HTTP/1.1 302 X\r\nLocation: http://[/\r\n\r\n", "the redirect leads nowhere"),
    ],
)  # fmt: skip  # one case on one line
def test_an_odd_answer_is_a_fact_about_its_target(answer: bytes, sentence: str) -> None:
    with answering(answer) as target:
        assert failure(target.url).startswith(sentence)


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip,
        partial(drip, data=page(b"x" * 1000)),
        partial(drip, data=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999),
    ],
    ids=["hangs", "drips junk", "drips a page", "drips a body"],
)
def test_a_slow_target_is_down_when_the_deadline_comes(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        began = time.monotonic()
        told = values(http.run(Options(Url.parse(f"http://127.0.0.1:{port}/")), within(0.5)))
    assert told["probe_success"] == 0
    assert time.monotonic() - began < 3
    assert told["probe_duration_seconds"] < 3


def test_a_slow_target_is_told_before_the_deadline_of_the_run() -> None:
    deadline = within(2)
    with listening(hang) as port:
        list(http.run(Options(Url.parse(f"http://127.0.0.1:{port}/")), deadline))
        assert deadline.left_s() > 0


def test_a_target_that_does_not_read_a_large_request_is_down_at_the_deadline() -> None:
    with listening(hang) as port:
        sentence = failure(f"http://127.0.0.1:{port}/", 0.4, method="POST", body=Secret("x" * 20_000_000))
    assert sentence == "the target did not finish in time"


def test_a_reset_is_a_fact() -> None:
    def reset(connection: Connection) -> None:
        connection.request()
        connection.reset()

    with listening(reset) as port:
        assert failure(f"http://127.0.0.1:{port}/").startswith("the connection broke: Connection reset")


def test_redirects_are_followed_and_their_phases_added_up() -> None:
    moved = page(b"", "Location: /elsewhere?x", status="302 Found")
    with answering(moved, moved, page()) as target:
        seen = look(target.url, method="POST", body=Secret("b"))
    assert (seen.trace.failure, seen.redirects, seen.body) == ("", 2, b"hello")
    assert target.heard[1].startswith(b"GET /elsewhere?x HTTP/1.1\r\n")


def test_a_redirect_that_keeps_the_method_keeps_the_body_too() -> None:
    with answering(page(b"", "Location: /b", status="307 X"), page()) as target:
        assert look(target.url, method="POST", body=Secret("mine")).redirects == 1
    assert target.heard[1].startswith(b"POST /b ")
    assert target.heard[1].endswith(b"\r\n\r\nmine")


def test_redirects_are_not_followed_where_that_was_asked() -> None:
    with answering(page(b"", "Location: /b", status="302 Found")) as target:
        seen = look(target.url, follow_redirects=False)
    assert (seen.redirects, seen.trace.failure) == (1, "the status is 302")


def test_endless_redirects_end() -> None:
    with answering(page(b"", "Location: /", status="301 X")) as target:
        seen = look(target.url)
    assert seen.redirects == http.REDIRECTS_MAX + 1
    assert seen.trace.failure == "the target redirects more than 10 times"
    assert len(target.heard) == 11


def test_secrets_do_not_follow_a_redirect_to_another_origin(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    with answering(page()) as other:
        with answering(page(b"", f"Location: {other.url}", status="302 X")) as target:
            look(
                target.url,
                headers={"X-Api-Key": Secret("secret"), "Cookie": Secret("secret")},
                basic_auth=BasicAuth(Raw("ada"), password_file=str(tmp_path / "password")),
            )
        assert b"secret" in target.heard[0]
    head = other.heard[0].lower()
    assert not any(word in head for word in (b"secret", b"authorization", b"cookie", b"x-api-key"))


def test_a_body_does_not_follow_a_redirect_to_another_origin() -> None:
    with (
        answering(page()) as other,
        answering(page(b"", f"Location: {other.url}", status="308 X")) as target,
    ):
        seen = look(target.url, method="POST", body=Secret("secret"))
    assert (seen.trace.failure, other.heard) == ("the status is 308", [])


@pytest.mark.needs("openssl")
def test_a_trusted_certificate_is_told_with_its_end(good: Certificate) -> None:
    with answering(page(), tls=good.server()) as target:
        told = values(http.run(Options(Url.parse(https(target.port)), tls_config=trusting(good)), within(5)))
    assert (told["probe_success"], told["probe_http_ssl"]) == (1, 1)
    assert told["probe_ssl_earliest_cert_expiry"] == good.end_s()
    assert told['probe_tls_version_info{version="TLS 1.3"}'] == 1
    assert told['probe_http_duration_seconds{phase="tls"}'] > 0


@pytest.mark.needs("openssl")
def test_an_unknown_authority_fails(good: Certificate) -> None:
    with answering(page(), tls=good.server()) as target:
        assert "certificate verify failed" in failure(https(target.port))


@pytest.mark.needs("openssl")
def test_a_certificate_for_another_name_fails_unless_that_name_is_asked_for(of_another: Certificate) -> None:
    with answering(page(), tls=of_another.server()) as target:
        assert "IP address mismatch" in failure(https(target.port), tls_config=trusting(of_another))
        named = TlsConfig(ca_file=str(of_another.path), server_name="another.example")
        assert failure(https(target.port), tls_config=named) == ""


@pytest.mark.needs("openssl")
def test_an_expired_certificate_fails_but_its_end_is_told_where_nobody_verifies(expired: Certificate) -> None:
    with answering(page(), tls=expired.server()) as target:
        assert "certificate has expired" in failure(https(target.port), tls_config=trusting(expired))
        seen = look(https(target.port), tls_config=TlsConfig(insecure_skip_verify=True))
    assert seen.trace.failure == ""
    assert seen.trace.agreed is not None
    assert seen.trace.agreed.not_after_s == expired.end_s()


@pytest.mark.needs("openssl")
def test_a_renewed_file_of_authorities_is_read_again(
    good: Certificate, of_another: Certificate, tmp_path: Path
) -> None:
    authorities = tmp_path / "ca"
    authorities.write_bytes(of_another.path.read_bytes())
    config = TlsConfig(ca_file=str(authorities))
    with answering(page(), tls=good.server()) as target:
        assert "certificate verify failed" in failure(https(target.port), tls_config=config)
        authorities.write_bytes(good.path.read_bytes())
        assert failure(https(target.port), tls_config=config) == ""


@pytest.mark.needs("openssl")
def test_a_missing_file_of_authorities_is_trouble_of_the_probe(good: Certificate) -> None:
    with answering(page(), tls=good.server()) as target, pytest.raises(FileNotFoundError):
        look(https(target.port), tls_config=TlsConfig(ca_file="/nonexistent/ca.pem"))


def test_a_plain_target_asked_for_tls_fails_in_the_handshake() -> None:
    with listening(lambda connection: connection.socket.sendall(page())) as port:
        seen = look(https(port))
    assert seen.trace.failure.startswith("the TLS handshake failed")
    assert "tls" in seen.trace.stopwatch.seconds


def test_a_handshake_that_hangs_ends_at_the_deadline() -> None:
    with listening(hang) as port:
        assert failure(https(port), 0.3) == "the target did not finish in time"


@pytest.mark.needs("openssl")
def test_tls_can_be_asked_for_and_refused(good: Certificate) -> None:
    with answering(page()) as target:
        assert failure(target.url, fail_if_not_ssl=True) == "the answer did not come over TLS"
    with answering(page(), tls=good.server()) as target:
        sentence = failure(https(target.port), fail_if_ssl=True, tls_config=trusting(good))
    assert sentence == "the answer came over TLS"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_is_spoken_to() -> None:
    def answer(connection: Connection) -> None:
        connection.request()
        connection.socket.sendall(page())

    with listening(answer, host="::1") as port:
        told = values(http.run(Options(Url.parse(f"http://[::1]:{port}/")), within(5)))
    assert (told["probe_success"], told["probe_ip_protocol"]) == (1, 6)


def test_options_are_read_from_yaml() -> None:
    text = b"""
target: https://example.com/health
headers: {X-Key: k}
valid_status_codes: [200, 204]
fail_if_body_not_matches_regexp: ['ok|fine']
basic_auth: {username: ada, password_file: /etc/p}
tls_config: {insecure_skip_verify: true}
preferred_ip_protocol: ip6
"""
    options = decode(text, "f", Options)
    assert http.PROBE.target(options) == "https://example.com/health"
    assert options.fail_if_body_not_matches_regexp == (Pattern("ok|fine"),)
    assert options.basic_auth == BasicAuth(Raw("ada"), password_file="/etc/p")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{}", "the key 'target' is missing"),
        (b"target: example.com", "'example.com' is not an http or https URL"),
        (b'{target: "http://x/", method: "GET / HTTP/1.0"}', "is not an HTTP method"),
        (b'{target: "http://x/", headers: {X: "a\\r\\nY: b"}}', "the value of 'X' is not one line"),
        (b'{target: "http://x/", headers: {"X Y": a}}', "'X Y' is not the name of a header"),
        (b'{target: "http://x/", body_size_limit: 1GB}', "1073741824 bytes are too many"),
        (b'{target: "http://x/", preferred_ip_protocol: ip5}', "expected one of ip4, ip6"),
        (b'{target: "http://x/", follow_redirect: false}', "did you mean 'follow_redirects'"),
    ],
)
def test_wrong_options_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text, "f", Options)
