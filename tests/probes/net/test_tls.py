"""TLS of any port: what is wrong with a certificate is told, whatever it is, and its dates as well."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from probes.net import tls
from probes.net.starttls import StartTls
from probes.net.tls import Options, Seen
from probes.net.trust import _iana
from tests.probes.net import servers
from tests.probes.targets import (
    Certificate,
    Connection,
    hang,
    listening,
    openssl,
    unused_port,
    values,
    within,
)


def options(port: int, config: str = "{}", starttls: str = "none") -> Options:
    text = f"{{target: '127.0.0.1:{port}', tls_config: {config}, starttls: {starttls}}}"
    return decode(text.encode(), "f", Options)


def look(port: int, config: str = "{}", starttls: str = "none", limit_s: float = 5) -> Seen:
    return tls.look(options(port, config, starttls), within(limit_s))


def trusting(certificate: Certificate) -> str:
    return f"{{ca_file: {certificate.path}}}"


def silent(connection: Connection) -> None:
    connection.socket.recv(10)


@pytest.mark.needs("openssl")
def test_a_trusted_certificate_is_told_with_what_it_says(good: Certificate) -> None:
    with listening(silent, good.server()) as port:
        told = values(tls.run(options(port, trusting(good)), within(5)))
    assert told["probe_success"] == 1
    assert told["probe_ssl_earliest_cert_expiry"] == good.end_s()
    assert told["probe_ssl_last_chain_expiry_timestamp_seconds"] == good.end_s()
    assert told["beforehand_tls_not_before_timestamp_seconds"] < time.time()
    assert told['probe_tls_version_info{version="TLS 1.3"}'] == 1
    assert sum(value for series, value in told.items() if series.startswith("beforehand_tls_problem")) == 0


@pytest.mark.needs("openssl")
def test_a_serial_number_and_a_fingerprint_are_those_of_openssl(good: Certificate) -> None:
    with listening(silent, good.server()) as port:
        agreed = look(port, trusting(good)).trace.agreed
    assert agreed is not None
    told = openssl("x509", "-in", str(good.path), "-noout", "-serial", "-fingerprint", "-sha256").split("\n")
    assert agreed.own.serial.upper().lstrip("0") == told[0].partition("=")[2].lstrip("0")
    assert agreed.sha256.upper() == told[1].partition("=")[2].replace(":", "")


@pytest.mark.needs("openssl")
def test_what_is_wrong_is_named_and_the_dates_are_told_all_the_same(
    good: Certificate, expired: Certificate, of_another: Certificate
) -> None:
    for certificate, config, problem in (
        (expired, trusting(expired), "expired"),
        (of_another, trusting(of_another), "wrong_host"),
        (good, "{}", "self_signed"),
        (good, trusting(of_another), "self_signed"),
    ):
        with listening(silent, certificate.server()) as port:
            seen = look(port, config)
            told = values(tls.samples(seen))
        assert seen.problem == problem, seen.trace.failure
        assert told["probe_success"] == 0
        assert told["probe_ssl_earliest_cert_expiry"] == certificate.end_s()
        assert told[f'beforehand_tls_problem{{problem="{problem}"}}'] == 1


@pytest.mark.needs("openssl")
def test_a_weak_digest_is_named(tmp_path: Path) -> None:
    authority = made(tmp_path / "authority", "-sha256", days=30)
    weak = signed(tmp_path / "weak", authority, "-sha1", days=30)
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    careless.set_ciphers("DEFAULT:@SECLEVEL=0")
    careless.load_cert_chain(weak.path, weak.key)
    with listening(silent, careless) as port:
        assert look(port, trusting(authority)).problem == "weak"


@pytest.mark.needs("openssl")
def test_the_first_end_in_a_chain_is_told(tmp_path: Path) -> None:
    authority = made(tmp_path / "authority", "-sha256", days=90)
    between = signed(tmp_path / "between", authority, "-sha256", days=5, extension="basicConstraints=CA:TRUE")
    own = signed(tmp_path / "own", between, "-sha256", days=30)
    own.path.write_text(own.path.read_text() + between.path.read_text())
    with listening(silent, own.server()) as port:
        agreed = look(port, trusting(authority)).trace.agreed
    assert agreed is not None
    assert agreed.not_after_s == agreed.chain_end_s == between.end_s()
    assert agreed.own.not_after_s == own.end_s()


@pytest.mark.needs("openssl")
def test_an_endless_chain_is_a_fact(good: Certificate, tmp_path: Path) -> None:
    many = Certificate(tmp_path / "many", good.key)
    many.path.write_text(good.path.read_text() * 2000)
    with listening(silent, many.server()) as port:
        seen = look(port, trusting(good))
    assert seen.trace.failure.startswith("the TLS handshake failed")


@pytest.mark.needs("openssl")
def test_a_far_end_an_old_version_and_a_cipher_are_told(tmp_path: Path) -> None:
    far = made(tmp_path / "far", "-sha256", days=2_900_000)
    with listening(silent, far.server()) as port:
        agreed = look(port, trusting(far)).trace.agreed
    assert agreed is not None
    assert agreed.not_after_s == far.end_s() > 200_000_000_000
    old = far.server()
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    with listening(silent, old) as port:
        seen = look(port, trusting(far))
        assert seen.trace.agreed is not None
        assert seen.trace.agreed.cipher == "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        newer = f"{{ca_file: {far.path}, min_version: TLS13}}"
        assert look(port, newer).trace.failure.startswith("the TLS handshake failed")


@pytest.mark.needs("openssl")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_tls_1_0_is_spoken_only_where_that_is_asked_for(good: Certificate) -> None:
    old = good.server()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    with listening(silent, old) as port:
        assert look(port, trusting(good)).trace.failure.startswith("the TLS handshake failed")
        seen = look(port, f"{{ca_file: {good.path}, min_version: TLS10}}")
    assert seen.trace.agreed is not None
    assert seen.trace.agreed.version == "TLS 1.0"


def test_ciphers_have_their_names_of_iana() -> None:
    names = {
        "TLS_AES_128_GCM_SHA256": "TLS_AES_128_GCM_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "AES256-SHA256": "TLS_RSA_WITH_AES_256_CBC_SHA256",
        "SOMETHING-ELSE": "SOMETHING-ELSE",
    }
    assert {cipher: _iana(cipher) for cipher in names} == names


def made(folder: Path, digest: str, days: int) -> Certificate:
    """Make a certificate that is its own authority, and may be that of others."""
    folder.mkdir()
    path, key = folder / "certificate", folder / "key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    own = ("-x509", digest, "-days", str(days), "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl("req", *own, *curve, "-keyout", str(key), "-out", str(path))
    return Certificate(path, key)


def signed(folder: Path, by: Certificate, digest: str, days: int, extension: str = "") -> Certificate:
    """Make a certificate that another one vouches for."""
    folder.mkdir()
    path, key, request, more = (folder / part for part in ("certificate", "key", "request", "more"))
    more.write_text(f"subjectAltName=IP:127.0.0.1\n{extension}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-new", *curve, "-keyout", str(key), "-subj", f"/CN={folder.name}", "-out", str(request))
    authority = ("-CA", str(by.path), "-CAkey", str(by.key), "-CAcreateserial", "-extfile", str(more))
    openssl("x509", "-req", "-in", str(request), digest, "-days", str(days), *authority, "-out", str(path))
    return Certificate(path, key)


@pytest.mark.needs("openssl")
def test_a_client_shows_its_certificate_where_it_is_asked_for_one(good: Certificate) -> None:
    asking = good.server()
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_verify_locations(good.path)
    asking.maximum_version = ssl.TLSVersion.TLSv1_2  # where a refusal is part of the handshake
    with listening(silent, asking) as port:
        shown = f"{{ca_file: {good.path}, cert_file: {good.path}, key_file: {good.key}}}"
        assert look(port, shown).trace.failure == ""
        assert look(port, trusting(good)).trace.failure.startswith("the TLS handshake failed")


@pytest.mark.needs("openssl")
def test_authorities_can_be_written_down(good: Certificate) -> None:
    written = good.path.read_text().replace("\n", "\\n")
    with listening(silent, good.server()) as port:
        assert look(port, f'{{ca: "{written}"}}').trace.failure == ""


def test_a_port_without_tls_or_without_anybody_is_down() -> None:
    with listening(lambda connection: connection.socket.sendall(b"220 mail\r\n")) as port:
        seen = look(port)
    assert (seen.problem, seen.trace.agreed) == ("", None)
    assert seen.trace.failure.startswith("the TLS handshake failed")
    assert look(unused_port()).trace.failure.startswith("the connection failed")
    with listening(hang) as port:
        assert look(port, limit_s=0.4).trace.failure == "the target did not finish in time"


@pytest.mark.needs("openssl")
def test_a_real_mail_server_is_brought_to_tls(good: Certificate) -> None:
    with servers.smtp(good) as port:
        seen = look(port, trusting(good), "smtp")
        assert seen.trace.failure == ""
        assert seen.trace.agreed is not None
        assert seen.trace.stopwatch.seconds["starttls"] > 0
        assert look(port, "{}", "smtp").problem == "self_signed"
        assert look(port, "{}", "imap", 0.4).trace.failure == "the target did not finish in time"


MYSQL = b"\x4a\0\0\0\x0a8.0.36\0" + bytes(4) + b"saltsalt\0" + b"\xff\xff" + bytes(51)
LDAP_ASKED = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"

XMPP_BEGUN = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" to='127.0.0.1' version='1.0'>"
)

# What each kind of server says, and what it then hears, in turn.
TALKS: dict[str, tuple[bytes, ...]] = {
    "lmtp": (
        b"220 a LMTP\r\n",
        b"LHLO beforehand\r\n",
        b"250-a\r\n250 STARTTLS\r\n",
        b"STARTTLS\r\n",
        b"220 go\r\n",
    ),
    "imap": (b"* OK IMAP4rev1\r\n", b"a STARTTLS\r\n", b"* NOTE\r\na OK begin\r\n"),
    "pop3": (b"+OK ready\r\n", b"STLS\r\n", b"+OK begin\r\n"),
    "ftp": (b"220-hello\r\n220 ready\r\n", b"AUTH TLS\r\n", b"234 go\r\n"),
    "nntp": (b"200 ready\r\n", b"STARTTLS\r\n", b"382 go\r\n"),
    "sieve": (b'"SIEVE" "x"\r\nOK\r\n', b"STARTTLS\r\n", b"OK go\r\n"),
    "postgres": (b"", bytes.fromhex("0000000804d2162f"), b"S"),
    "mysql": (MYSQL, bytes.fromhex("20000001008a0000000000012d") + bytes(23), b""),
    "ldap": (b"", LDAP_ASKED, bytes.fromhex("300c02010178070a010004000400")),
    "xmpp": (
        b"",
        XMPP_BEGUN,
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    ),
}


def speaking(talk: tuple[bytes, ...], certificate: Certificate) -> Callable[[Connection], None]:
    def serve(connection: Connection) -> None:
        end = connection.socket
        for at, part in enumerate(talk):
            if at % 2 == 0:
                end.sendall(part)
            else:
                assert end.recv(len(part), socket.MSG_WAITALL) == part
        with certificate.server().wrap_socket(end, server_side=True) as secure:
            secure.recv(1)

    return serve


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("protocol", sorted(TALKS))
def test_each_protocol_is_brought_to_tls_in_its_own_words(protocol: StartTls, good: Certificate) -> None:
    with listening(speaking(TALKS[protocol], good)) as port:
        assert look(port, trusting(good), protocol).trace.failure == ""


REFUSALS: dict[str, tuple[bytes, ...]] = {
    "smtp": (b"220 a\r\n", b"EHLO beforehand\r\n", b"250 a\r\n", b"STARTTLS\r\n", b"502 no\r\n"),
    "imap": (b"* OK x\r\n", b"a STARTTLS\r\n", b"a NO not here\r\n"),
    "pop3": (b"+OK\r\n", b"STLS\r\n", b"-ERR what\r\n"),
    "postgres": (b"", bytes.fromhex("0000000804d2162f"), b"N"),
    "mysql": (MYSQL.replace(b"\xff\xff", b"\0\0"),),
    "ldap": (b"", LDAP_ASKED, bytes.fromhex("300c02010178070a013504000400")),
    "xmpp": (b"<stream:features></stream:features>",),
    "nntp": (b"400 busy\r\n",),
}


@pytest.mark.parametrize("protocol", sorted(REFUSALS))
def test_a_server_that_does_not_offer_tls_is_a_fact(protocol: StartTls) -> None:
    talk = REFUSALS[protocol]

    def serve(connection: Connection) -> None:
        for at, part in enumerate(talk):
            if at % 2 == 0:
                connection.socket.sendall(part)
            else:
                connection.socket.recv(len(part), socket.MSG_WAITALL)
        connection.socket.recv(1000)

    with listening(serve) as port:
        assert look(port, "{}", protocol).trace.failure.startswith("the server does not offer TLS")


@pytest.mark.parametrize("protocol", sorted(TALKS))
@pytest.mark.parametrize("said", [b"", b"\0" * 300, b"x" * 70000], ids=["nothing", "zeros", "flood"])
def test_a_server_of_another_protocol_is_a_fact(protocol: StartTls, said: bytes) -> None:
    def serve(connection: Connection) -> None:
        connection.socket.sendall(said)

    with listening(serve) as port:
        assert look(port, "{}", protocol, limit_s=3).trace.failure


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("{cert_file: a}", "go together"),
        ("{ca: a, ca_file: b}", "are both given"),
        ("{min_version: TLS13, max_version: TLS12}", "is above max_version"),
        ("{cert: a, key: b}", "not taken from here"),
        ("{min_version: SSL3}", "expected one of TLS10"),
    ],
)
def test_wrong_options_are_refused(config: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        options(1, config)
