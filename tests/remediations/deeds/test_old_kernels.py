from __future__ import annotations

from pathlib import Path

import pytest

from model.deed import PurgeKernels
from remediations.deeds.old_kernels import expendable
from tests.remediations.deeds.disk import done

RELEASES = ("6.1.0-9-amd64", "6.1.0-13-amd64", "6.1.0-18-amd64", "6.1.0-21-amd64")
INSTALLED = [f"linux-{kind}-{release}" for kind in ("image", "headers") for release in RELEASES]
META = ["linux-image-amd64", "linux-libc-dev", "linux-base", "linux-headers-6.1.0-9-common"]


def test_the_newest_and_the_running_kernel_stay() -> None:
    assert expendable(INSTALLED + META, "6.1.0-21-amd64", 2) == (
        "linux-headers-6.1.0-13-amd64",
        "linux-headers-6.1.0-9-amd64",
        "linux-image-6.1.0-13-amd64",
        "linux-image-6.1.0-9-amd64",
    )
    assert expendable(INSTALLED, "6.1.0-13-amd64", 2) == (
        "linux-headers-6.1.0-9-amd64",
        "linux-image-6.1.0-9-amd64",
    )
    assert expendable(INSTALLED, "6.1.0-9-amd64", 2) == ()
    assert expendable(INSTALLED, "6.1.0-21-amd64", 9) == ()


def test_numbers_are_compared_as_numbers() -> None:
    images = [f"linux-image-5.{minor}.0-1-generic" for minor in (4, 15, 9, 10)]
    assert expendable(images, "5.15.0-1-generic", 2) == (
        "linux-image-5.4.0-1-generic",
        "linux-image-5.9.0-1-generic",
    )


@pytest.mark.parametrize("running", ["6.18.0-custom", "", "6.1.0-8-amd64"])
def test_where_the_running_kernel_is_of_no_package_nothing_goes(running: str) -> None:
    assert expendable(INSTALLED, running, 2) == ()


@pytest.mark.needs("dpkg-query")
def test_this_host_is_asked_and_a_check_removes_nothing(tmp_path: Path) -> None:
    result = done(tmp_path / "keep", PurgeKernels(), check=True)
    assert result.ok, result.reason
    assert not result.changed
