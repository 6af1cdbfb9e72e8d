from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.plugin import FileChange, Remark
from probes.host import reboot
from probes.host.roots import Rootfs, Tree
from tests.probes.host.exporter import plant
from tests.probes.targets import values, within


def looked(folder: Path) -> tuple[dict[str, float], list[str]]:
    seen = list(reboot.run(Rootfs(rootfs=Tree(folder)), within(5)))
    assert FileChange(f"{folder}/run/reboot-required") in seen
    return values(seen), [one.text for one in seen if isinstance(one, Remark)]


def test_a_host_that_waits_for_nothing_is_told_so(tmp_path: Path) -> None:
    plant(tmp_path, {f"boot/vmlinuz-{os.uname().release}": ""})
    assert looked(tmp_path) == ({"beforehand_reboot_required": 0}, [])


def test_what_a_package_asks_for_is_told_with_its_name(tmp_path: Path) -> None:
    plant(tmp_path, {"run/reboot-required": "", "run/reboot-required.pkgs": "libc6\nlibssl3\nlibc6\n"})
    assert looked(tmp_path) == ({"beforehand_reboot_required": 1}, ["asked for by libc6, libssl3"])


@pytest.mark.parametrize(
    ("running", "installed", "newest"),
    [
        ("6.1.0-18-amd64", ["6.1.0-9-amd64", "6.1.0-18-amd64", "6.1.0-21-amd64"], "6.1.0-21-amd64"),
        ("6.1.0-21-amd64", ["6.1.0-9-amd64", "6.1.0-21-amd64"], ""),
        ("6.1.0-18-cloud-amd64", ["6.1.0-21-amd64"], ""),
        ("6.12.41+deb13-amd64", ["6.12.43+deb13-amd64"], "6.12.43+deb13-amd64"),
        ("5.15.0-100-generic", ["5.15.0-101-lowlatency", "6.5.0-1-generic"], "6.5.0-1-generic"),
        (
            "5.14.0-362.8.1.el9_3.x86_64",
            ["5.14.0-362.18.1.el9_3.x86_64", "0-rescue-0123abcd"],
            "5.14.0-362.18.1.el9_3.x86_64",
        ),
        ("6.6.0", [], ""),
        ("odd", ["odder"], ""),
    ],
)
def test_a_newer_kernel_of_the_same_flavour_waits_to_run(
    running: str, installed: list[str], newest: str
) -> None:
    assert reboot.newer(running, installed) == newest


def test_a_newer_kernel_is_a_reason_to_reboot(tmp_path: Path) -> None:
    plant(
        tmp_path, {"boot/vmlinuz-6.1.0-18-amd64": "", "boot/vmlinuz-6.1.0-21-amd64": "", "boot/config-9": ""}
    )
    assert list(reboot.reasons(Tree(tmp_path), "6.1.0-18-amd64")) == [
        "kernel 6.1.0-18-amd64 runs, and 6.1.0-21-amd64 is installed"
    ]
