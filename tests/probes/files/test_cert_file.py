from __future__ import annotations

import datetime
import os
import random
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline
from probes.files import cert_file
from probes.files.certificates import filed, is_pkcs12
from probes.files.paths import TooMany
from tests.probes.files.scene import Seen, as_nobody

pytestmark = pytest.mark.needs("openssl")

RSA = ("-newkey", "rsa:2048")
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def openssl(*argv: object, data: bytes = b"") -> bytes:
    told = subprocess.run(
        ["openssl", *map(str, argv)], input=data, check=True, capture_output=True, timeout=30
    )
    return told.stdout


@dataclass(frozen=True)
class Made:
    """A certificate that openssl made, and its key."""

    path: Path
    key: Path

    def end_s(self) -> float:
        told = openssl("x509", "-in", self.path, "-noout", "-enddate").decode()
        return ssl.cert_time_to_seconds(told.strip().partition("=")[2])


def make(folder: Path, name: str, *terms: object, days: int = 30, kind: tuple[str, ...] = EC) -> Made:
    made = Made(folder / f"{name}.pem", folder / f"{name}.key")
    request = openssl("req", "-new", "-nodes", *kind, "-subj", f"/O=Firm/CN={name}", "-keyout", made.key)
    openssl("x509", "-req", "-signkey", made.key, "-days", days, "-out", made.path, *terms, data=request)
    return made


def sign(folder: Path, name: str, by: Made, *terms: object, kind: tuple[str, ...] = EC) -> Made:
    made = Made(folder / f"{name}.pem", folder / f"{name}.key")
    request = openssl("req", "-new", "-nodes", *kind, "-subj", f"/CN={name}", "-keyout", made.key)
    signer = ("-CA", by.path, "-CAkey", by.key, "-set_serial", 7, "-days", 30)
    openssl("x509", "-req", *signer, "-out", made.path, *terms, data=request)
    return made


def look(text: str) -> Seen:
    options = decode(text.encode(), "f", cert_file.Options)
    return Seen(tuple(cert_file.run(options, Deadline(time.monotonic() + 30, time.monotonic))))


def series(metric: str, path: Path, subject: str, issuer: str | None = None) -> str:
    return f'beforehand_cert_{metric}{{issuer="{issuer or subject}", path="{path}", subject="{subject}"}}'


def readable(path: Path | str) -> str:
    return f'beforehand_cert_file_readable{{path="{path}"}}'


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("good"), "good")


def test_a_certificate_is_told_with_its_dates(good: Made) -> None:
    seen = look(f"{{paths: [{good.path}]}}")
    assert seen[series("not_after_timestamp_seconds", good.path, "CN=good,O=Firm")] == good.end_s()
    begins = seen[series("not_before_timestamp_seconds", good.path, "CN=good,O=Firm")]
    assert good.end_s() - begins == 30 * 86400
    assert seen[series("self_signed", good.path, "CN=good,O=Firm")] == 1
    assert seen[series("weak", good.path, "CN=good,O=Firm")] == 0
    assert seen[readable(good.path)] == 1
    assert seen.wishes == [str(good.path)]


def days_until(year: int) -> int:
    return (datetime.date(year, 1, 1) - datetime.datetime.now(datetime.UTC).date()).days


@pytest.mark.parametrize(
    "days", [-1, days_until(2038) + 30, days_until(2050) - 3, days_until(2050) + 3, days_until(9999)]
)
def test_dates_past_and_far_are_what_openssl_says(tmp_path: Path, days: int) -> None:
    made = make(tmp_path, "far", days=days)
    seen = look(f"{{paths: [{made.path}]}}")
    assert seen[series("not_after_timestamp_seconds", made.path, "CN=far,O=Firm")] == made.end_s()


def test_a_bundle_tells_of_each_and_the_first_of_equals_counts(tmp_path: Path, good: Made) -> None:
    older, leaf = make(tmp_path, "good", days=3), sign(tmp_path, "leaf", good)
    bundle = tmp_path / "bundle.pem"
    parts = [leaf.key, leaf.path, good.path, older.path]
    bundle.write_bytes(b"a comment\n" + b"\n".join(part.read_bytes() for part in parts))
    seen = look(f"{{paths: [{bundle}]}}")
    assert len(seen.named("beforehand_cert_not_after_timestamp_seconds")) == 2
    assert seen[series("not_after_timestamp_seconds", bundle, "CN=good,O=Firm")] == good.end_s()
    assert seen[series("self_signed", bundle, "CN=leaf", "CN=good,O=Firm")] == 0


def test_der_and_pkcs12_are_read_alike(tmp_path: Path, good: Made) -> None:
    der, store, empty, password = (tmp_path / name for name in ("a.der", "a.p12", "b.p12", "password"))
    der.write_bytes(openssl("x509", "-in", good.path, "-outform", "DER"))
    password.write_text("secret\n")
    pair = ("-export", "-in", good.path, "-inkey", good.key)
    openssl("pkcs12", *pair, "-out", store, "-passout", f"file:{password}")
    openssl("pkcs12", *pair, "-out", empty, "-passout", "pass:", "-legacy")
    assert not is_pkcs12(der.read_bytes())
    seen = look(f"{{paths: [{der}, {store}], password_file: {password}}}")
    for path in (der, store):
        assert seen[series("not_after_timestamp_seconds", path, "CN=good,O=Firm")] == good.end_s()
    assert look(f"{{paths: [{empty}]}}")[readable(empty)] == 1
    wrong = look(f"{{paths: [{store}]}}")
    assert wrong[readable(store)] == 0
    assert wrong.remarks == [(f'{{path="{store}"}}', "openssl cannot open it with this password")]


def test_a_key_is_compared_with_its_certificate(tmp_path: Path, good: Made) -> None:
    other, rsa = make(tmp_path, "other"), make(tmp_path, "rsa", kind=RSA)

    def matches(key: object) -> float:
        seen = look(f"{{paths: [{good.path}], key: {key}}}")
        return seen[f'beforehand_cert_key_matches{{path="{good.path}"}}']

    assert matches(good.key.name) == 1
    assert matches(other.key) == 0
    assert matches(rsa.key) == 0
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", good.key, "-aes256", "-passout", "pass:x", "-out", locked)
    for key in (locked, tmp_path / "none.key", other.path):
        assert look(f"{{paths: [{good.path}], key: {key}}}")[readable(good.path)] == 0


@pytest.mark.parametrize(
    ("kind", "terms", "weakness"),
    [
        (("-newkey", "rsa:1024"), (), "its RSA key has 1024 bits"),
        (
            ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"),
            (),
            "its key is on a curve of 192 bits",
        ),
        (RSA, ("-sha1",), "it is signed with a hash that is broken"),
        (EC, ("-md5",), "it is signed with a hash that is broken"),
        (("-newkey", "ed25519"), (), ""),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1"), ("-sha256",), ""),
    ],
)
def test_what_can_be_broken_is_told_as_weak(
    tmp_path: Path, kind: tuple[str, ...], terms: tuple[str, ...], weakness: str
) -> None:
    authority = make(tmp_path, "authority", kind=RSA)
    leaf = sign(tmp_path, "leaf", authority, *terms, kind=kind)
    seen = look(f"{{paths: [{leaf.path}]}}")
    assert seen[series("weak", leaf.path, "CN=leaf", "CN=authority,O=Firm")] == bool(weakness)
    assert [text for _, text in seen.remarks] == ([weakness] if weakness else [])


def test_the_hash_of_a_certificate_that_signed_itself_does_not_matter(tmp_path: Path) -> None:
    root = make(tmp_path, "root", "-sha1", kind=RSA)
    assert look(f"{{paths: [{root.path}]}}")[series("weak", root.path, "CN=root,O=Firm")] == 0


def test_files_without_a_certificate_are_a_fact_and_the_others_are_told(tmp_path: Path, good: Made) -> None:
    damaged = good.path.read_bytes()[:200] + b"-----END CERTIFICATE-----\n"
    for name, data in (
        ("a", b""),
        ("b", b"text"),
        ("c", damaged),
        ("d", b"\x30"),
        ("e", b"\x30\x82\xff\xff\x30"),
    ):
        (tmp_path / f"{name}.pem").write_bytes(data)
    (tmp_path / "f.pem").mkdir()
    (tmp_path / "g.pem").write_bytes(b"x" * (cert_file.FILE_BYTES_MAX + 1))
    (tmp_path / "h.pem").symlink_to(good.path)
    os.mkfifo(tmp_path / "i.pem")
    seen = look(f"{{paths: ['{tmp_path}/*.pem', {tmp_path}/none]}}")
    told = {
        path.partition('path="')[2][:-2]: ok
        for path, ok in seen.named("beforehand_cert_file_readable").items()
    }
    assert told == {
        **{f"{tmp_path}/{name}.pem": 0 for name in "abcdefgi"},
        f"{tmp_path}/h.pem": 1,
        f"{tmp_path}/none": 0,
    }
    assert len(seen.remarks) == 9


def test_words_about_many_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cert_file, "REMARKS_MAX", 3)
    for number in range(10):
        (tmp_path / f"{number}.pem").touch()
    seen = look(f"{{paths: ['{tmp_path}/*.pem']}}")
    assert len(seen.remarks) == 3
    assert len(seen.named("beforehand_cert_file_readable")) == 10


def test_damage_anywhere_in_a_certificate_ends_in_a_fact(good: Made) -> None:
    der = openssl("x509", "-in", good.path, "-outform", "DER")
    chance = random.Random(5)  # the same damage each time
    for _ in range(3000):
        broken = bytearray(der)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            filed(bytes(broken[: chance.randrange(1, len(broken) + 1)]))
        except ValueError:
            continue


def test_a_file_that_may_not_be_read_makes_them_unknown(good: Made) -> None:
    with tempfile.TemporaryDirectory() as folder, as_nobody(Path(folder)):
        path = Path(folder, "a.pem")
        path.touch(mode=0)
        with pytest.raises(PermissionError):
            look(f"{{paths: [{path}]}}")


def test_more_than_can_be_told_makes_them_unknown(good: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cert_file, "TOLD_MAX", 0)
    with pytest.raises(TooMany):
        look(f"{{paths: [{good.path}]}}")


def of_a_system() -> Iterable[Path]:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    return [bundle] if bundle.exists() else []


@pytest.mark.parametrize("bundle", of_a_system())
def test_the_authorities_of_the_system_are_all_read(bundle: Path) -> None:
    seen = look(f"{{paths: [{bundle}]}}")
    assert seen[readable(bundle)] == 1
    count = bundle.read_bytes().count(b"-----BEGIN CERTIFICATE-----")
    assert len(seen.named("beforehand_cert_not_after_timestamp_seconds")) >= count - 5


@pytest.mark.parametrize("options", ["{paths: []}", "{paths: [/a], key: b/c}", "{paths: [/a], files_max: 0}"])
def test_options_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(Rejected):
        decode(options.encode(), "f", cert_file.Options)
