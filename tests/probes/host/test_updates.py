from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.host import updates
from probes.host.roots import Rootfs, Tree
from tests.probes.host.exporter import plant
from tests.probes.host.stand_in import short_folder
from tests.probes.targets import values, within

SIMULATION = """Reading package lists...
Inst base-files [12.4] (12.5 Debian:12.5/stable [amd64])
Inst openssl [3.0.11] (3.0.13 Debian:12.5/stable, Debian-Security:12/stable-security [amd64]) []
Inst curl [7.81] (7.82 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])
Inst linux-image-6.1.0-18 (6.1.76 Debian-Security:12/stable-security [amd64])
Conf openssl (3.0.13 Debian-Security:12/stable-security [amd64])
"""

_RELEASE = (
    "Origin: Debian\nLabel: {}\nSuite: stable\nVersion: 12\nArchitectures: all amd64\nComponents: main\n"
)
_PACKAGE = "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: A <a@b.example>\nDescription: x\n"
_FILE = f"Filename: x.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
_LISTS = "var/lib/apt/lists/deb.example_"
HOST = {
    "etc/apt/sources.list": "deb [trusted=yes arch=amd64] http://deb.example/debian stable main\n"
    "deb [trusted=yes arch=amd64] http://deb.example/security stable-security main\n",
    "etc/apt/preferences.d/none": "",
    "etc/apt/apt.conf.d/none": "",
    "var/cache/apt/archives/partial": "/",
    "var/lib/apt/lists/partial": "/",
    "var/lib/dpkg/status": "\n".join(
        _PACKAGE.format(name, "1.0") + "Status: install ok installed\n" for name in ("tool", "lib", "new")
    ),
    f"{_LISTS}debian_dists_stable_Release": _RELEASE.format("Debian"),
    f"{_LISTS}debian_dists_stable_main_binary-amd64_Packages": (
        f"{_PACKAGE.format('tool', '1.1')}{_FILE}{_PACKAGE.format('new', '1.0')}{_FILE}"
    ),
    f"{_LISTS}security_dists_stable-security_Release": _RELEASE.format("Debian-Security"),
    f"{_LISTS}security_dists_stable-security_main_binary-amd64_Packages": (
        f"{_PACKAGE.format('lib', '1.1')}{_FILE}"
    ),
}


def test_an_update_is_a_package_that_is_there_and_has_a_newer_version() -> None:
    assert updates.counted(SIMULATION) == {"security": 2, "other": 1}
    assert updates.counted("") == {"security": 0, "other": 0}


@pytest.fixture
def host() -> Iterator[Path]:
    """Yield the root of a host with updates; everybody may read it, as they may on a host."""
    with short_folder() as folder:
        plant(folder, HOST)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


@pytest.mark.needs("apt-get")
def test_apt_is_asked_what_it_would_install_and_changes_nothing(host: Path) -> None:
    for path in host.rglob("*Release"):
        os.utime(path, (0, 1_600_000_000))
    before = {path: path.stat().st_mtime_ns for path in host.rglob("*")}
    said = values(updates.run(Rootfs(rootfs=Tree(host)), within(50)))
    assert said == {
        'beforehand_updates_pending{kind="security"}': 1,
        'beforehand_updates_pending{kind="other"}': 1,
        "beforehand_updates_lists_mtime_seconds": 1_600_000_000,
    }
    assert {path: path.stat().st_mtime_ns for path in host.rglob("*")} == before


@pytest.mark.needs("apt-get")
def test_an_apt_that_fails_is_trouble_of_the_probe(host: Path) -> None:
    (host / "etc/apt/sources.list").write_text("nonsense\n")
    with pytest.raises(updates.Failed, match="does not say what it would install: E: "):
        list(updates.run(Rootfs(rootfs=Tree(host)), within(50)))


def test_a_host_without_apt_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(updates.run(Rootfs(rootfs=Tree(tmp_path)), within(5))) == []
