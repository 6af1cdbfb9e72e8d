from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.net.certificate import not_after_s
from tests.probes.targets import Certificate, certificate


@pytest.mark.needs("openssl")
def test_the_end_of_a_certificate_is_read_as_openssl_reads_it(
    good: Certificate, expired: Certificate
) -> None:
    for one in (good, expired):
        assert not_after_s(ssl.PEM_cert_to_DER_cert(one.path.read_text())) == one.end_s()


@pytest.mark.needs("openssl")
def test_a_certificate_that_outlives_2050_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    late = certificate(tmp_path_factory.mktemp("late"), "IP:127.0.0.1", days=365 * 60)
    assert not_after_s(ssl.PEM_cert_to_DER_cert(late.path.read_text())) == late.end_s()


@pytest.mark.needs("openssl")
def test_a_certificate_cut_anywhere_is_refused(good: Certificate) -> None:
    der = ssl.PEM_cert_to_DER_cert(good.path.read_text())
    for size in range(0, 160, 3):
        with pytest.raises(ValueError, match="cannot be read"):
            not_after_s(der[:size])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_certificate_or_refused(der: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        not_after_s(der)


@pytest.mark.parametrize("der", [b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x00", b"junk" * 50])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        not_after_s(der)
