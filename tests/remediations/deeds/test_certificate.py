"""A certificate was renewed where its file is valid for longer than before, whatever a program says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.deed import RenewCertificate
from remediations.deeds.certificate import ends, not_after
from tests.remediations.deeds.done import done

pytestmark = pytest.mark.needs("openssl")


def made(path: Path, days: int) -> str:
    """Write a certificate, and return its end as openssl says it."""
    key = path.with_suffix(".key")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", "/CN=shop", "-days", str(days), "-keyout", str(key), "-out", str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    show = ["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601"]
    said = subprocess.run(show, check=True, capture_output=True, text=True, timeout=30).stdout
    return "".join(one for one in said.partition("=")[2] if one.isdigit()) + "Z"


@pytest.mark.parametrize("days", [1, 90, 20_000])
def test_the_end_of_a_certificate_is_that_which_openssl_reads(tmp_path: Path, days: int) -> None:
    assert made(tmp_path / "c.pem", days) == ends(str(tmp_path / "c.pem"))


def test_a_renewed_certificate_is_proved_by_its_file(tmp_path: Path) -> None:
    live, new = tmp_path / "live.pem", tmp_path / "new.pem"
    before, after = made(live, 10), made(new, 90)
    step = RenewCertificate(("cp", str(new), str(live)), str(live))
    assert done(tmp_path, step, check=True).diff.endswith(f"which is valid until {before}")
    assert ends(str(live)) == before
    result = done(tmp_path, step)
    assert result.ok, result.reason
    assert result.diff == f"{live} is valid until {after}, before until {before}"


def test_the_first_certificate_is_one_more_day_than_none(tmp_path: Path) -> None:
    new = tmp_path / "new.pem"
    made(new, 90)
    assert done(
        tmp_path, RenewCertificate(("cp", str(new), f"{tmp_path}/live.pem"), f"{tmp_path}/live.pem")
    ).changed


@pytest.mark.parametrize("days", [10, 5])
def test_a_program_that_is_content_but_renewed_nothing_has_failed(tmp_path: Path, days: int) -> None:
    live, new = tmp_path / "live.pem", tmp_path / "new.pem"
    made(live, 10)
    if days == 10:
        shutil.copy(live, new)
    else:
        made(new, days)
    result = done(tmp_path, RenewCertificate(("cp", str(new), str(live)), str(live)))
    assert not result.ok
    assert result.reason.endswith("as before; it was not renewed")


def test_a_program_that_fails_is_a_failure(tmp_path: Path) -> None:
    made(tmp_path / "live.pem", 10)
    result = done(tmp_path, RenewCertificate(("false",), f"{tmp_path}/live.pem"))
    assert result.reason == "it ended with exit code 1"


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    result = done(tmp_path, RenewCertificate(("true",), f"{tmp_path}/c.pem"))
    assert result.reason == f"{tmp_path}/c.pem holds no certificate that can be read"
    assert "is not a regular file" in done(tmp_path, RenewCertificate(("true",), str(tmp_path))).reason


@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reader_down(data: bytes) -> None:
    try:
        assert len(not_after(data)) == 15
    except (ValueError, IndexError, StopIteration):
        return
