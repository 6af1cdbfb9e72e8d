"""Whether this host waits for a reboot: a package asked for one, or a newer kernel is installed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from model.duration import seconds
from model.labels import Labels
from model.plugin import Deadline, FileChange, Probe, Remark, Seen
from model.sample import Metric
from probes.host.roots import Rootfs, Tree, this_host

REQUIRED = Metric("beforehand_reboot_required", "1 if the host waits for a reboot.")

_LABELS: Final = Labels.of(__name__=REQUIRED.name)
_FLAG: Final = "run/reboot-required"  # Debian's and Ubuntu's packages touch it (update-notifier)
_PACKAGES_SHOWN: Final = 20


def newer(running: str, installed: list[str]) -> str:
    """Return the newest of the installed kernels if it is newer than the one that runs, else nothing.

    Only kernels of the same flavour are compared: what is left of a version without its numbers is equal.
    """
    alike = [release for release in installed if _flavour(release) == _flavour(running)]
    newest = max(alike, key=_numbers, default=running)
    return newest if _numbers(newest) > _numbers(running) else ""


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]{1,9}", release)]


def _flavour(release: str) -> str:
    """Return what tells the flavours of kernels apart: 6.1.0-21-cloud-amd64 is a cloud-amd."""
    return re.sub(r"[0-9_]+", "", re.sub(r"^[0-9.+_~-]+", "", release))


def reasons(rootfs: Tree, running: str) -> Iterator[str]:
    """Yield why the host should be rebooted."""
    if (rootfs / _FLAG).exists():
        packages = rootfs.text_if_any(f"{_FLAG}.pkgs").split()
        named = ", ".join(dict.fromkeys(packages[:_PACKAGES_SHOWN])) or "a package"
        yield f"asked for by {named}"
    installed = [
        name.removeprefix("vmlinuz-") for name in rootfs.names("boot") if name.startswith("vmlinuz-")
    ]
    kernel = newer(running, installed)
    if kernel:
        yield f"kernel {running} runs, and {kernel} is installed"


def run(options: Rootfs, _deadline: Deadline) -> Iterator[Seen]:
    """Yield whether this host waits for a reboot, and why."""
    why = list(reasons(options.rootfs, os.uname().release))
    yield REQUIRED(bool(why))
    if why:
        yield Remark(_LABELS, "; ".join(why))
    yield FileChange(str(options.rootfs / _FLAG))


PROBE = Probe("reboot", Rootfs, run, (REQUIRED,), job="node", target=this_host, every=seconds(300))
