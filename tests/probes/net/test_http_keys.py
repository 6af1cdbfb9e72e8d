"""The keys of the http probe beyond the plain question: headers, files, proxies, tokens, cookies, packing."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Misfit, Rejected
from probes.net import http
from probes.net.address import Endpoint, Url
from probes.net.bytesize import ByteSize
from probes.net.cookies import COOKIES_MAX, Cookies
from probes.net.http import Exchange
from probes.net.http_date import moment_s
from probes.net.http_options import Options
from probes.net.proxy import NoProxy, ProxyUrl
from probes.net.response import Head
from tests.probes.targets import (
    Certificate,
    Connection,
    Target,
    answering,
    drip,
    listening,
    page,
    unused_port,
    values,
    within,
)


def look(url: str, more: str = "", limit_s: float = 5) -> Exchange:
    return http.look(decode(f"{{target: '{url}'{more}}}".encode(), "f", Options), within(limit_s))


def failure(url: str, more: str = "", limit_s: float = 5) -> str:
    return look(url, more, limit_s).trace.failure


def heard(target: Target, at: int = 0) -> list[str]:
    return target.heard[at].partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_headers_come_from_values_secrets_and_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" from-a-file \n")
    headers = f"{{X-A: {{values: [1, two]}}, X-B: {{secrets: [s3cret]}}, X-C: {{files: ['{tmp_path}/key']}}}}"
    with answering(page()) as target:
        assert failure(target.url, f", http_headers: {headers}, headers: {{x-a: 0}}") == ""
    assert {"x-a: 0", "x-a: 1", "x-a: two", "x-b: s3cret", "x-c: from-a-file"} <= set(heard(target))


def test_a_file_of_a_header_that_breaks_the_line_is_trouble_of_the_probe(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a\r\nX-Evil: b")
    with answering(page()) as target, pytest.raises(Misfit, match="not one line"):
        look(target.url, f", http_headers: {{X-C: {{files: ['{tmp_path}/key']}}}}")


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ("basic_auth: {username: ada, password: s3cret}", "Basic YWRhOnMzY3JldA=="),
        ("authorization: {credentials: t0ken}", "Bearer t0ken"),
        ("authorization: {type: Token, credentials_file: FILE}", "Token in-file"),
        ("bearer_token: t0ken", "Bearer t0ken"),
        ("bearer_token_file: FILE", "Bearer in-file"),
        ("basic_auth: {username_file: FILE, password_file: FILE}", "Basic aW4tZmlsZTppbi1maWxl"),
    ],
)
def test_who_asks_is_shown(more: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("in-file\n")
    with answering(page()) as target:
        assert failure(target.url, f", {more.replace('FILE', str(tmp_path / 'secret'))}") == ""
    assert f"authorization: {shown}" in heard(target)


def test_no_secret_is_shown_in_the_options() -> None:
    text = """{target: 'http://a/', headers: {X: s3cret}, http_headers: {Y: {secrets: [s3cret]}},
      body: s3cret, basic_auth: {username: ada, password: s3cret}, proxy_url: 'http://u:s3cret@p:1/'}"""
    assert "s3cret" not in repr(decode(text.encode(), "f", Options))


def test_a_body_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\xff\x00data")
    with answering(page()) as target:
        assert failure(target.url, f", method: POST, body_file: '{tmp_path}/body'") == ""
    assert target.heard[0].endswith(b"\r\n\r\n\xff\x00data")


def test_a_token_is_asked_for_and_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    token = json.dumps({"access_token": "t0ken", "token_type": "bearer"}).encode()
    with answering(page(token)) as tokens, answering(page()) as target:
        more = (
            f", oauth2: {{client_id: prober, client_secret_file: '{tmp_path}/secret',"
            f" token_url: '{tokens.url}', scopes: [a, b], endpoint_params: {{audience: 'x&y'}}}}"
        )
        assert failure(target.url, more) == ""
    assert "authorization: Bearer t0ken" in heard(target)
    assert "authorization: Basic cHJvYmVyOnMzY3JldA==" in heard(tokens)
    assert tokens.heard[0].endswith(b"grant_type=client_credentials&audience=x%26y&scope=a+b")


def test_a_token_server_that_wants_the_secret_in_the_body_gets_it_there() -> None:
    token = json.dumps({"access_token": "t0ken"}).encode()
    with answering(page(status="401 X"), page(token)) as tokens, answering(page()) as target:
        oauth2 = f"{{client_id: prober, client_secret: s3cret, token_url: '{tokens.url}'}}"
        assert failure(target.url, f", oauth2: {oauth2}") == ""
    assert tokens.heard[1].endswith(b"client_id=prober&client_secret=s3cret")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (page(b"{}"), "the token server's answer has no access_token"),
        (page(b"[" * 5000), "the token server's answer has no access_token"),
        (page(b'{"access_token": "a\\r\\nb"}'), "the token server's answer has no access_token"),
        (page(b"no", status="403 X"), "the token server gives no token, its status is 403"),
    ],
)
def test_a_token_server_that_gives_none_fails_the_probe(answer: bytes, sentence: str) -> None:
    with answering(answer) as tokens, answering(page()) as target:
        oauth2 = f"{{client_id: prober, client_secret: s, token_url: '{tokens.url}'}}"
        assert failure(target.url, f", oauth2: {oauth2}") == sentence
    assert target.heard == []


def test_a_proxy_is_asked_for_a_plain_target() -> None:
    with answering(page(b"from the proxy")) as proxy:
        seen = look(
            "http://127.0.0.1:9/x?y",
            f", proxy_url: 'http://ada:s3cret@127.0.0.1:{proxy.port}', proxy_connect_header: {{X-P: [q]}}",
        )
    assert seen.body == b"from the proxy"
    assert heard(proxy)[0] == "GET http://127.0.0.1:9/x?y HTTP/1.1"
    assert {"host: 127.0.0.1:9", "proxy-authorization: Basic YWRhOnMzY3JldA==", "x-p: q"} <= set(heard(proxy))


def tunnel(connection: Connection, port: int) -> None:
    """Connect to a port of this machine, as a proxy does for TLS."""
    connection.request()
    with socket.create_connection(("127.0.0.1", port)) as further:
        connection.socket.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")

        def back() -> None:
            try:
                while data := further.recv(65536):
                    connection.socket.sendall(data)
            except OSError:
                return

        thread = threading.Thread(target=back)
        thread.start()
        try:
            while data := connection.socket.recv(65536):
                further.sendall(data)
        except OSError:
            pass
        further.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.needs("openssl")
def test_a_proxy_is_a_tunnel_to_a_target_with_tls(good: Certificate) -> None:
    with (
        answering(page(b"secure"), tls=good.server()) as target,
        listening(lambda connection: tunnel(connection, target.port)) as proxy,
    ):
        more = f", proxy_url: 'http://127.0.0.1:{proxy}', tls_config: {{ca_file: {good.path}}}"
        seen = look(f"https://127.0.0.1:{target.port}/", more)
    assert (seen.trace.failure, seen.body) == ("", b"secure")
    assert seen.trace.agreed is not None


def test_a_proxy_that_refuses_is_a_fact() -> None:
    with answering(page(status="403 X")) as proxy:
        more = f", proxy_url: 'http://127.0.0.1:{proxy.port}'"
        assert failure("https://127.0.0.1:9/", more) == "the proxy does not connect, its status is 403"
        assert failure("http://127.0.0.1:9/", more) == "the status is 403"
        skipping = ", skip_resolve_phase_with_proxy: true"
        assert failure("http://far.example.com/", more + skipping) == "the status is 403"
        assert heard(proxy, 2)[0] == "GET http://far.example.com:80/ HTTP/1.1"
        assert failure("http://far.example.com/", more).startswith("far.example.com has no address")
    refused = f"{more}, refuse: [127.0.0.0/8]"
    assert "not spoken to" in failure("http://127.0.0.1:9/", refused + skipping)


def test_hosts_without_a_proxy_are_asked_directly() -> None:
    with answering(page()) as target:
        more = f", proxy_url: 'http://127.0.0.1:{unused_port()}', no_proxy: 'example.com,127.0.0.0/8'"
        assert failure(target.url, more) == ""


@pytest.mark.parametrize(
    ("words", "host", "covered"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        (".example.com", "example.com", False),
        ("*.example.com", "a.example.com", True),
        ("10.0.0.0/8", "10.2.3.4", True),
        ("10.0.0.0/8", "11.2.3.4", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("a.com:81", "a.com", False),
        ("a.com:80", "a.com", True),
        ("fd00::/8", "fd00::1", True),
        ("*", "anything", True),
        ("", "anything", False),
    ],
)
def test_no_proxy_names_hosts_and_networks(words: str, host: str, covered: bool) -> None:
    assert (Endpoint(host, 80) in NoProxy.parse(words)) is covered


def test_a_proxy_url_is_plain_http() -> None:
    for text in ("socks5://a:1", "https://a:1", "a:1"):
        with pytest.raises(Misfit, match="only a proxy at http"):
            ProxyUrl.parse(text)
    assert ProxyUrl.parse("http://a").endpoint == Endpoint("a", 80)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("fail_if_header_matches: [{header: Server, regexp: old}]", "the header Server matches old"),
        ("fail_if_header_matches: [{header: Server, regexp: new}]", ""),
        ("fail_if_header_matches: [{header: X, regexp: new}]", "the header X is missing"),
        ("fail_if_header_matches: [{header: X, regexp: new, allow_missing: true}]", ""),
        ("fail_if_header_not_matches: [{header: SERVER, regexp: '^old'}]", ""),
        (
            "fail_if_header_not_matches: [{header: server, regexp: new}]",
            "the header server does not match new",
        ),
        ("fail_if_header_not_matches: [{header: X, regexp: new}]", "the header X is missing"),
        ("valid_http_versions: [HTTP/1.1]", ""),
        ("valid_http_versions: [HTTP/2.0, HTTP/1.0]", "the answer came in HTTP/1.1"),
    ],
)
def test_headers_and_versions_are_judged(more: str, sentence: str) -> None:
    with answering(page(b"hello", "Server: old/1", "Server: other", "A: b")) as target:
        assert failure(target.url, f", {more}") == sentence


def test_last_modified_is_told() -> None:
    with answering(page(b"", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT")) as target:
        told = values(http.samples(look(target.url)))
    assert told["probe_http_last_modified_timestamp_seconds"] == 784111777


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Sunday, 06-Nov-01 08:49:37 GMT", 1005036577),
        ("Sun, 06 Xxx 1994 08:49:37 GMT", None),
        ("Sun, 41 Nov 1994 08:49:37 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_moments_are_read_as_http_writes_them(text: str, moment: float | None) -> None:
    assert moment_s(text) == moment


@pytest.mark.parametrize(("packing", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_body_must_be_packed_as_it_was_said(packing: str, wbits: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    packed = packer.compress(b"hello") + packer.flush()
    with answering(page(packed)) as target:
        seen = look(target.url, f", compression: {packing}")
        assert (seen.body, seen.trace.failure) == (b"hello", "")
    assert f"accept-encoding: {packing}" in heard(target)
    with answering(page(b"not packed")) as target:
        assert failure(target.url, f", compression: {packing}") == "the body is not packed as it should be"


def test_a_bomb_without_a_limit_costs_little_and_is_no_failure() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    with answering(page(bomb, "Content-Encoding: gzip")) as target:
        began = time.thread_time()
        seen = look(target.url)
    assert (seen.content.length, len(seen.body), seen.content.cut) == (8 << 20, 1 << 20, True)
    assert seen.trace.failure == ""
    assert time.thread_time() - began < 2


def test_what_came_of_a_body_that_fails_is_counted() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf") as target:
        seen = look(target.url)
    assert (seen.content.length, seen.trace.failure) == (4, "the body is cut short")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"

    def begin(connection: Connection) -> None:
        connection.request()
        connection.socket.sendall(head)
        drip(connection)

    with listening(begin) as port:
        seen = look(f"http://127.0.0.1:{port}/", limit_s=0.5)
    assert seen.content.length > 0
    assert seen.trace.failure == "the target did not finish in time"


def test_a_redirect_that_is_not_followed_is_read_only_where_it_is_looked_at() -> None:
    with answering(page(b"moved", "Location: /b", status="302 X")) as target:
        more = ", follow_redirects: false, valid_status_codes: [302]"
        assert look(target.url, more).content.length == 0
        assert failure(target.url, f"{more}, fail_if_body_not_matches_regexp: [moved]") == ""
        assert (
            failure(target.url, f"{more}, fail_if_body_matches_regexp: [moved]") == "the body matches moved"
        )


def test_a_host_header_is_also_the_name_that_tls_asks_for(of_another: Certificate) -> None:
    with answering(page(), tls=of_another.server()) as target:
        more = f", headers: {{Host: another.example}}, tls_config: {{ca_file: {of_another.path}}}"
        assert failure(f"https://127.0.0.1:{target.port}/", more) == ""
    assert heard(target).count("host: another.example") == 1


def test_cookies_go_along_on_a_redirect_but_not_elsewhere() -> None:
    with answering(page()) as other:
        moved = page(b"", f"Location: {other.url}", status="302 X")
        with answering(
            page(b"", "Set-Cookie: a=1; Path=/", "Location: /in", status="302 X"), moved
        ) as target:
            assert failure(target.url, ", headers: {Cookie: own=2}") == ""
    assert "cookie: own=2; a=1" in heard(target, 1)
    assert not any(line.startswith("cookie") for line in heard(target, 0)[1:] if "a=1" in line)
    # Cookies know no ports (RFC 6265, 8.5): what this host set, it is shown; what was written is not.
    assert "cookie: a=1" in heard(other)


def set_by(url: str, *cookies: str) -> Cookies:
    jar = Cookies()
    jar.take(Url.parse(url), Head("1.1", 200, tuple(("set-cookie", cookie) for cookie in cookies)))
    return jar


@pytest.mark.parametrize(
    ("cookie", "url", "shown"),
    [
        ("a=1", "http://shop.example.com/x/y", "a=1"),
        ("a=1", "http://shop.example.com/z", ""),
        ("a=1; Path=/", "http://shop.example.com/z", "a=1"),
        ("a=1; Path=/x", "http://shop.example.com/xy", ""),
        ("a=1; Path=/", "http://other.example.com/", ""),
        ("a=1; Path=/; Domain=.example.com", "http://other.example.com/", "a=1"),
        ("a=1; Path=/; Domain=com", "http://other.com/", ""),
        ("a=1; Path=/; Domain=evil.example", "http://evil.example/", ""),
        ("a=1; Path=/; Secure", "http://shop.example.com/", ""),
        ("a=1; Path=/; Secure", "https://shop.example.com/", "a=1"),
        ("a=1; Path=/; Max-Age=0", "http://shop.example.com/", ""),
        ("a=1; Path=/; Max-Age=-5", "http://shop.example.com/", ""),
        ("a=1; Path=/; Max-Age=60", "http://shop.example.com/", "a=1"),
        ("no cookie", "http://shop.example.com/x/", ""),
        ("a=\x01; Path=/", "http://shop.example.com/", ""),
    ],
)
def test_a_cookie_is_shown_where_it_belongs(cookie: str, url: str, shown: str) -> None:
    assert set_by("http://shop.example.com/x/", cookie).header(Url.parse(url)) == shown


def test_cookies_are_bounded() -> None:
    jar = set_by("http://a.example/", *(f"c{at}=x; Path=/" for at in range(200)))
    assert jar.header(Url.parse("http://a.example/")).count("=") == COOKIES_MAX
    assert (
        set_by("http://a.example/", "a=" + "x" * 9000).header(Url.parse("http://a.example/")).count("x")
        < 4096
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("fail_if_body_json_matches_cel: 'body.a == 1'", "CEL is not evaluated here; use fail_if_body"),
        ("enable_http3: true", "HTTP/3 is not spoken here"),
        ("proxy_from_environment: true", "the environment's proxies are not heeded; write proxy_url"),
        ("compression: br", "brotli is not unpacked here"),
        ("no_proxy: a", "no_proxy is given without proxy_url"),
        ("body: a, body_file: b", "body and body_file are both given"),
        ("basic_auth: {username: a, password: b, password_file: c}", "are both given"),
        ("basic_auth: {username: a}, bearer_token: b", "in more than one way who asks"),
        ("authorization: {type: basic, credentials: a}", "is not a scheme"),
        ("http_headers: {'a b': {values: [c]}}", "is not the name of a header"),
        ('http_headers: {a: {values: ["b\\nc"]}}', "not one line"),
        (
            "oauth2: {client_id: a, token_url: 'http://b/', client_secret: c, client_secret_file: d}",
            "both given",
        ),
        ("body_size_limit: 10 MB", "is not a size"),
        ("valid_http_versions: [HTTP/4]", "expected one of HTTP/1.0"),
    ],
)
def test_wrong_options_are_refused(more: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(f"{{target: 'http://a/', {more}}}".encode(), "f", Options)


@pytest.mark.parametrize(
    ("text", "size"), [("10", 10), ("1KB", 1024), ("2MiB", 2 << 20), ("3G", 3 << 30), ("7B", 7)]
)
def test_sizes_are_read_as_blackbox_exporter_reads_them(text: str, size: int) -> None:
    assert ByteSize.parse(text).size == size
