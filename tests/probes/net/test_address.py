from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from probes.net.address import Endpoint, Url, is_literal


@pytest.mark.parametrize(
    ("text", "tls", "host", "port", "path"),
    [
        ("http://example.com", False, "example.com", 80, "/"),
        ("https://Example.com/a?b=c#d", True, "example.com", 443, "/a?b=c"),
        ("http://[::1]:8080/x", False, "::1", 8080, "/x"),
        ("http://127.0.0.1:1/", False, "127.0.0.1", 1, "/"),
        ("http://münchen.example/ö", False, "xn--mnchen-3ya.example", 80, "/%C3%B6"),
    ],
)
def test_a_url_is_read(text: str, tls: bool, host: str, port: int, path: str) -> None:
    url = Url.parse(text)
    assert (url.tls, url.endpoint, url.path, str(url)) == (tls, Endpoint(host, port), path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("example.com", "not an http or https URL"),
        ("ftp://example.com/", "not an http or https URL"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("http://", "not an http or https URL"),
        ("http://user:secret@example.com/", "carries a user name or password"),
        ("http://example.com:99999/", "not a URL"),
        ("http://example.com:0/", "not an http or https URL"),
        ("http://[::1/", "not a URL"),
        ("http://a b/", "spaces"),
        ("http://a/\r\nX: y", "spaces"),
        ("http://a..b/", "not a host name"),
        ("http://" + "a" * 64 + ".example/", "not a host name"),
        ("http://" + "a." * 130 + "b/", "not a host name"),
        ("http://a/" + "x" * 9000, "too long"),
    ],
)
def test_what_is_no_url_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Misfit, match=sentence) as refused:
        Url.parse(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?c", "http://example.com/b?c"),
        ("d", "http://example.com/a/d"),
        ("//other.example/x", "http://other.example/x"),
        ("https://example.com/", "https://example.com/"),
        ("/with space", "http://example.com/with%20space"),
    ],
)
def test_a_location_leads_on(location: str, target: str) -> None:
    assert Url.parse("http://example.com/a/b").join(location) == Url.parse(target)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"https?://[^ ]{0,20}(/.{0,20})?", fullmatch=True)))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for parse in (Url.parse, Url.parse("http://example.com/a").join, Endpoint.parse):
        try:
            found = parse(text)
        except Misfit:
            continue
        assert str(found).isprintable() or not str(found).isascii()
        if isinstance(found, Url):
            assert found.path.isascii()
            assert found.path.isprintable()
            assert " " not in found.path


def test_secrets_stay_at_scheme_host_and_port() -> None:
    here = Url.parse("http://example.com/a")
    assert here.same_origin(Url.parse("http://example.com:80/b"))
    for other in ("https://example.com/", "http://example.com:81/", "http://www.example.com/"):
        assert not here.same_origin(Url.parse(other))


def test_the_authority_names_the_port_only_where_it_is_unusual() -> None:
    assert Url.parse("http://example.com:80/").authority == "example.com"
    assert Url.parse("https://example.com:80/").authority == "example.com:80"
    assert Url.parse("http://[::1]:8080/").authority == "[::1]:8080"


@pytest.mark.parametrize("text", ["db.example.com:5432", "127.0.0.1:1", "[::1]:65535"])
def test_an_endpoint_is_read_and_written_alike(text: str) -> None:
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["db", "db:", ":5432", "db:0", "db:65536", "db:\uff15", "::1:5432", "d b:1", "[x:1"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        Endpoint.parse(text)


def test_only_ip_addresses_are_literal() -> None:
    assert all(map(is_literal, ("127.0.0.1", "::1", "fe80::1%eth0")))
    assert not any(map(is_literal, ("localhost", "1.2.3", "a\0b", "")))
